/**
 * What files of people call the fields, in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish,
 * Swedish, Danish and Norwegian, and in the templates of Okta and Google. Case, accents, spaces and signs do not
 * matter; commas separate names.
 */
const synonyms: Readonly<Record<string, readonly string[]>> = {
  first_name: [
    'first name, given name, forename, first, legal first name',
    'Vorname, prénom, nombre de pila, nombres, primer nombre, primo nome, nome di battesimo',
    'primeiro nome, nome próprio, voornaam, imię, förnamn, fornavn, tilltalsnamn',
  ],
  last_name: [
    'last name, surname, family name, last, legal last name, Nachname, Familienname, Zuname',
    'nom de famille, apellido, apellidos, primer apellido, cognome, sobrenome, apelido',
    'último nome, achternaam, familienaam, nazwisko, efternamn, efternavn, etternavn',
  ],
  name: [
    'full name, display name, complete name, vollständiger Name, voller Name, Anzeigename',
    "nom complet, nom d'affichage, nombre completo, nome completo, volledige naam, weergavenaam",
    'imię i nazwisko, fullständigt namn, fulde navn, fullt navn, visningsnamn, visningsnavn',
  ],
  email: [
    'mail, e-mail address, mail address, work e-mail, business e-mail, company e-mail',
    'corporate e-mail, primary e-mail, office e-mail, e-mail (work), professional e-mail',
    'E-Mail-Adresse, Mailadresse, geschäftliche E-Mail, E-Mail geschäftlich, dienstliche E-Mail',
    'E-Mail dienstlich, geschäftliche E-Mail-Adresse, dienstliche E-Mail-Adresse, Firmen-E-Mail',
    'courriel, adresse e-mail, adresse mail, adresse de courriel, adresse électronique',
    'e-mail professionnel, mail professionnel, courriel professionnel, adresse e-mail professionnelle',
    'correo, correo electrónico, dirección de correo electrónico, correo corporativo',
    'correo de trabajo, e-mail corporativo, correo electrónico corporativo, correo electrónico del trabajo',
    'posta elettronica, indirizzo e-mail, e-mail aziendale, indirizzo di posta elettronica',
    'correio eletrónico, correio eletrônico, endereço de e-mail, e-mail profissional, e-mail de trabalho',
    'e-mailadres, mailadres, werk e-mail, zakelijk e-mailadres, zakelijke e-mail',
    'adres e-mail, e-mail służbowy, służbowy adres e-mail, poczta elektroniczna',
    'e-post, e-postadress, e-postadresse, jobbmejl, arbejdsmail, arbejds-e-mail, jobb e-post',
  ],
  username: [
    'user name, login, login name, logon name, sign-in name, sAMAccountName, user principal name',
    "Benutzername, Anmeldename, Nutzername, Benutzerkennung, identifiant, nom d'utilisateur",
    'identifiant de connexion, usuario, nombre de usuario, nome utente, nome de usuário, usuário',
    'nome de utilizador, utilizador, gebruikersnaam, nazwa użytkownika, användarnamn, brugernavn',
    'brukernavn',
  ],
  password: [
    'initial password, temporary password, Passwort, Kennwort, Initialpasswort, Startkennwort',
    'mot de passe, contraseña, senha, palavra-passe, wachtwoord, hasło, lösenord, adgangskode',
    'passord',
  ],
  phone: [
    'phone number, telephone, telephone number, tel, primary phone, work phone, business phone',
    'office phone, mobile, mobile phone, mobile number, cell, cell phone, cell phone number',
    'Telefon, Telefonnummer, Telefon geschäftlich, Diensttelefon, Rufnummer, Handy, Handynummer',
    'Mobil, Mobilnummer, Mobiltelefon, téléphone, numéro de téléphone, téléphone professionnel',
    'téléphone portable, portable, teléfono, número de teléfono, teléfono móvil, móvil, celular',
    'telefono, numero di telefono, cellulare, telefone, número de telefone, telemóvel, telefoon',
    'telefoonnummer, mobiel, mobiele telefoon, numer telefonu, telefon komórkowy, telefon służbowy',
  ],
  timezone: [
    'time zone, Zeitzone, fuseau horaire, zona horaria, fuso orario, fuso horário, tijdzone',
    'strefa czasowa, tidszon, tidszone, tidssone',
  ],
  language: [
    'preferred language, Sprache, langue, idioma, lingua, língua, taal, język, språk, sprog',
    'bevorzugte Sprache, langue préférée, idioma preferido, lingua preferita, voorkeurstaal',
  ],
  description: ['Beschreibung, descripción, descrizione, descrição, omschrijving, opis, beskrivning, beskrivelse'],
  'remote_data.orgUnitPath': ['org unit path'],
  'remote_data.changePasswordAtNextLogin|boolean': ['change password at next sign-in'],
}

/** Half of a name only where the other half has a column too. */
const halves: Readonly<Record<string, { target: string; beside: string; otherwise: string }>> = {
  name: { target: 'last_name', beside: 'first_name', otherwise: 'name' },
  nom: { target: 'last_name', beside: 'first_name', otherwise: 'name' },
  naam: { target: 'last_name', beside: 'first_name', otherwise: 'name' },
  nombre: { target: 'first_name', beside: 'last_name', otherwise: 'name' },
  nome: { target: 'first_name', beside: 'last_name', otherwise: 'name' },
}

/** Perhaps meant so; the client is asked. */
const guesses: Readonly<Record<string, readonly string[]>> = {
  'emails[1].email': [
    'secondary e-mail, second e-mail, personal e-mail, private e-mail, recovery e-mail, home e-mail',
    'home secondary e-mail, work secondary e-mail, E-Mail privat, private E-Mail-Adresse',
    'e-mail personnel, e-mail personal, correo personal, e-mail personale, e-mail pessoal',
  ],
  'phones[1].number': ['home phone, private phone, recovery phone, Telefon privat, téléphone personnel'],
  'roles[0].name': ['Rolle, rôle, rol, ruolo, função, rola, roll'],
  'groups[0].name': ['Gruppe, groupe, grupo, gruppo, groep, grupa, grupp'],
  reference: [
    'employee id, employee number, personnel number, staff id, external id, Personalnummer',
    'Mitarbeiternummer, Mitarbeiter-ID, matricule, número de empleado, matricola, matrícula',
    'personeelsnummer, numer pracownika, anställningsnummer, medarbejdernummer, ansattnummer',
  ],
  /** Every provider has its own name for them. */
  'remote_data.…': [
    'department, manager, manager e-mail, title, job title, employee title, employee type, division',
    'cost center, cost centre, start date, hire date, location, office, company, organization',
    'locale, country, country code, city, state, zip code, street address, work address',
    'Abteilung, Vorgesetzter, Vorgesetzte, Titel, Position, Stelle, Kostenstelle, Eintrittsdatum',
    'Startdatum, Standort, Firma, Land, Ort, service, département, responsable, poste, fonction',
    "centre de coûts, date d'entrée, date d'embauche, site, entreprise, departamento, puesto, cargo",
    'centro de coste, fecha de inicio, fecha de alta, dipartimento, reparto, responsabile, mansione',
    'data di assunzione, gestor, data de início, afdeling, leidinggevende, functie, kostenplaats',
    'ingangsdatum, dział, przełożony, stanowisko, data rozpoczęcia, avdelning, avdeling, chef',
    'leder, befattning, stilling, startdato',
  ],
}

/** Letters that do not fall apart into a plain one and a mark. */
const plainLetters: Readonly<Record<string, string>> = { ß: 'ss', ł: 'l', ø: 'o', æ: 'ae', đ: 'd', ı: 'i' }

/** No name is as long, and what is looked for in one takes the square of its length. */
const LONGEST_HEADER = 1_000

/** What a header has in common with its other spellings; what stands in brackets, as in `[Required]`, is none of it. */
const foldHeader = (header: string): string =>
  (header.length > LONGEST_HEADER ? '' : header)
    .replaceAll(/\[[^\]\d][^\]]*\]/g, '')
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[ßłøæđı]/g, (letter) => plainLetters[letter] ?? letter)
    .replaceAll(/[^\p{L}\p{N}]/gu, '')

const entriesOf = (table: Readonly<Record<string, readonly string[]>>): [string, string][] =>
  Object.entries(table).flatMap(([target, lines]) =>
    lines.flatMap((line) => line.split(', ')).map((name): [string, string] => [foldHeader(name), target]),
  )

const sureEntries = [
  ...entriesOf(synonyms),
  ...Object.keys(synonyms).map((name): [string, string] => [foldHeader(name), name]),
]
const unsureEntries = entriesOf(guesses)
const sure: ReadonlyMap<string, string> = new Map(sureEntries)
const unsure: ReadonlyMap<string, string> = new Map(unsureEntries)

/** Every name, as it is compared, and what it means. */
export const headerNames: readonly (readonly [string, string])[] = [...sureEntries, ...unsureEntries]

/** The target that a header surely means. */
export const findSynonym = (header: string): string | undefined => sure.get(foldHeader(header))

/** Of a header that means a name, or half of one: which, beside these other targets. */
export function findHalf(
  header: string,
  isThere: (target: string) => boolean,
): { target: string; isSure: boolean } | undefined {
  const key = foldHeader(header)
  const half = Object.hasOwn(halves, key) ? halves[key] : undefined
  if (half === undefined) return undefined
  if (isThere(half.target)) return { target: half.otherwise, isSure: true }
  return isThere(half.beside) ? { target: half.target, isSure: true } : { target: half.otherwise, isSure: false }
}

/** What to ask about a header; `remote_data.…` where it is the provider's. */
export const findGuess = (header: string): string | undefined => unsure.get(foldHeader(header))

/** Google writes it behind what only it can fill. */
export const isReadOnly = (header: string): boolean => /\[read only\]\s*$/i.test(header)
