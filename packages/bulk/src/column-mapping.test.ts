import { describe, expect, test } from 'vitest'
import { mapColumns } from './column-mapping.ts'
import { knownNames, shorthands, toTarget } from './column-target.ts'
import { headerNames } from './header-synonyms.ts'
import { toMappedItem } from './mapped-item.ts'
import { UploadError } from './upload-error.ts'

const item = (headers: string[], cells: string[], mapping?: Record<string, string>): unknown =>
  toMappedItem(mapColumns(headers, mapping), cells).value

function refusal(headers: string[], mapping?: Record<string, string>): { code: string; detail: string } | undefined {
  try {
    mapColumns(headers, mapping)
  } catch (error) {
    if (error instanceof UploadError) return { code: error.code, detail: error.detail }
    throw error
  }
  return undefined
}

describe('where a column goes', () => {
  test.each<[string, string, unknown]>([
    ['first_name', 'Ada', { user: { first_name: 'Ada' } }],
    [' First-Name ', 'Ada', { user: { first_name: 'Ada' } }],
    ['EMAIL', 'a@x.de', { user: { emails: [{ email: 'a@x.de' }] } }],
    ['Emails[0].Is Primary', 'No', { user: { emails: [{ is_primary: false }] } }],
    ['phones[1].number', '+1', { user: { phones: [{ number: '+1' }] } }],
    ['group', ' 42 ', { user: { group: 42 } }],
    ['group_id', '42', { user: { groups: [{ id: '42' }] } }],
    ['languages', 'en;de ; ', { user: { languages: ['en', 'de'] } }],
    ['languages[0]', 'en;de', { user: { languages: ['en;de'] } }],
    ['remote_data.profile.costCenter', '007', { user: { remote_data: { profile: { costCenter: '007' } } } }],
    ['Remote Data.a[0].b', 'x', { user: { remote_data: { a: [{ b: 'x' }] } } }],
    ['reference', 'r', { reference: 'r', user: {} }],
    ['callback_url', 'https://x.de', { callback_url: 'https://x.de', user: {} }],
    ['remote_query.activate', 'false', { remote_query: { activate: 'false' }, user: {} }],
    ['truto_ignore_remote_data', 'TRUE', { truto_ignore_remote_data: true, user: {} }],
    ['truto_exclude_fields', 'id;name', { truto_exclude_fields: ['id', 'name'], user: {} }],
    ['password', ' with spaces ', { user: { password: ' with spaces ' } }],
    ['group', '  ', { user: {} }],
  ])('%s', (header, cell, expected) => {
    expect(item([header], [cell])).toEqual(expected)
  })

  test.each(knownNames())('%s is a header that is understood', (name) => {
    expect(toTarget(name)).toBeTypeOf('object')
  })

  test('every option of a row is a header, dry_run is not', () => {
    expect(knownNames()).toEqual(
      expect.arrayContaining([
        'reference',
        'integrated_account_id',
        'on_conflict',
        'not_before',
        'expires_at',
        'callback_url',
        'organization_id',
        'workspace_id',
        'truto_response_format',
        ...Object.keys(shorthands),
      ]),
    )
    expect(refusal(['dry_run'])?.code).toBe('unknown_headers')
  })

  test('absent entries leave no hole in a list', () => {
    expect(
      item(['emails[0].email', 'emails[2].email', 'emails[1].email', 'remote_data.a[5][7]'], ['', 'c', 'b', 'x']),
    ).toEqual({ user: { emails: [{ email: 'b' }, { email: 'c' }], remote_data: { a: [['x']] } } })
  })

  test('the mapping of the client comes first, and an empty target ignores a column', () => {
    expect(
      item(['Vorname', 'email', 'Notes'], ['Ada', 'ada', 'x'], {
        VORNAME: 'first_name',
        email: 'username',
        notes: ' ',
      }),
    ).toEqual({ user: { first_name: 'Ada', username: 'ada' } })
  })
})

describe('a header in another language', () => {
  const targetsOf = (headers: string[], mapping?: Record<string, string>): (string | null)[] =>
    mapColumns(headers, mapping).columns.map(({ target }) => target)

  test.each<[string, string]>([
    ['Vorname;Name;E-Mail-Adresse;Telefon;Zeitzone', 'de'],
    ['Vorname;Nachname;Geschäftliche E-Mail;Mobiltelefon;Zeitzone', 'de'],
    ['Prénom;Nom;Courriel;Téléphone;Fuseau horaire', 'fr'],
    ['Pre\u0301nom;NOM DE FAMILLE;Adresse e-mail;Numéro de téléphone;Fuseau horaire', 'fr'],
    ['Nombre;Apellidos;Correo electrónico;Móvil;Zona horaria', 'es'],
    ['Nome;Cognome;Posta elettronica;Cellulare;Fuso orario', 'it'],
    ['Nome;Sobrenome;Endereço de e-mail;Telemóvel;Fuso horário', 'pt'],
    ['Voornaam;Achternaam;E-mailadres;Telefoonnummer;Tijdzone', 'nl'],
    ['Imię;Nazwisko;Adres e-mail;Numer telefonu;Strefa czasowa', 'pl'],
    ['Förnamn;Efternamn;E-postadress;Mobilnummer;Tidszon', 'sv'],
    ['Fornavn;Efternavn;E-mail;Telefonnummer;Tidszone', 'da'],
    ['Fornavn;Etternavn;E-post;Mobiltelefon;Tidssone', 'no'],
    ['firstName;lastName;email;primaryPhone;timezone', 'Okta'],
    ['First Name [Required];Last Name [Required];Email Address [Required];Work Phone;Time zone', 'Google'],
    ['Given name;Surname;Work e-mail;Cell phone;TIME ZONE', 'en'],
  ])('%s (%s) maps itself', (line) => {
    const headers = line.split(';')
    expect(targetsOf(headers)).toEqual(['first_name', 'last_name', 'emails[0].email', 'phones[0].number', 'timezone'])
  })

  test('says so', () => {
    expect(
      mapColumns(['Vorname', 'last_name', 'Mail', 'Notiz', 'Last Sign In [READ ONLY]', ''], { Notiz: '' }).columns,
    ).toEqual([
      { header: 'Vorname', target: 'first_name', source: 'synonym' },
      { header: 'last_name', target: 'last_name', source: 'name' },
      { header: 'Mail', target: 'emails[0].email', source: 'synonym' },
      { header: 'Notiz', target: null, source: 'mapping' },
      { header: 'Last Sign In [READ ONLY]', target: null, source: 'read_only' },
    ])
  })

  test("a provider's template fills its own fields", () => {
    expect(targetsOf(['Org Unit Path [Required]', 'Password [Required]', 'Change Password at Next Sign-In'])).toEqual([
      'remote_data.orgUnitPath',
      'password',
      'remote_data.changePasswordAtNextLogin',
    ])
  })

  test.each<[string[], string[]]>([
    [['Vorname', 'Department'], ['"Department" (did you mean remote_data.…?)']],
    [['Work Email', 'Personal Email'], ['"Personal Email" (did you mean emails[1].email?)']],
    [['Email', 'Work Email'], ['"Work Email" (did you mean emails[1].email?)']],
    [
      ['Work Phone', 'Mobile Phone'],
      ['"Work Phone" (did', '"Mobile Phone" (did you mean phones[1].number?)'],
    ],
    [['first_name', 'Given Name'], ['"Given Name"']],
    [['Nom', 'Courriel'], ['"Nom" (did you mean name?)']],
    [['Nombre', 'Correo'], ['"Nombre" (did you mean name?)']],
    [['Personalnummer'], ['"Personalnummer" (did you mean reference?)']],
  ])('%s is not sure, and asked', (headers, words) => {
    const { code, detail } = refusal(headers) ?? {}
    expect(code).toBe('unknown_headers')
    for (const word of words) expect(detail).toContain(word)
  })

  test('"Name" is the full name alone, the last name beside a first name, and always the field where it is written so', () => {
    expect(targetsOf(['Name', 'email'])[0]).toBe('name')
    expect(targetsOf(['Name', 'Vorname'])[0]).toBe('last_name')
    expect(targetsOf(['Name', 'Vorname', 'Nachname'])[0]).toBe('name')
    expect(targetsOf(['name', 'first_name'])[0]).toBe('name')
  })

  test('goes where the client says, if it says so', () => {
    expect(targetsOf(['Vorname', 'Mail'], { vorname: 'name', mail: 'username' })).toEqual(['name', 'username'])
  })

  test('no name stands for two fields', () => {
    const meanings = new Map(headerNames)
    expect(headerNames.filter(([name, target]) => meanings.get(name) !== target)).toEqual([])
  })
})

describe('what is refused', () => {
  test('every unknown header is listed, with the nearest known one', () => {
    const { code, detail } = refusal(['firstnme', 'e-mial', 'first_name', 'shoe size']) ?? {}
    expect(code).toBe('unknown_headers')
    expect(detail).toContain('"firstnme" (did you mean first_name?), "e-mial" (did you mean email?), "shoe size"')
  })

  test('a file with semicolons between its columns is recognised', () => {
    expect(refusal(['first_name;email'])?.detail).toContain('columns are separated by commas')
  })

  test('a list of unknown headers has an end', () => {
    expect(refusal(Array.from({ length: 5000 }, (_, index) => `column ${index}`))?.detail.length).toBeLessThan(5000)
  })

  test.each([
    'emails',
    'emails[0]',
    'emails.email',
    'emails[x].email',
    'emails[0].shoe',
    'emails[-1].email',
    'first_name.x',
    'reference[0]',
    'remote_data',
    'remote_data[0]',
    'user.first_name',
    'a..b',
    'languages[0][1]',
    'toString',
    'hasOwnProperty',
  ])('%s goes nowhere', (header) => {
    expect(refusal([header])?.code).toBe('unknown_headers')
  })

  test.each([
    '__proto__',
    'constructor',
    'remote_data.__proto__.polluted',
    'remote_data.a.constructor',
    'remote_query.Prototype',
    'emails[100].email',
    `remote_data${'.a'.repeat(10)}`,
  ])('%s is not allowed', (header) => {
    expect(refusal([header])?.code).toBe('invalid_headers')
    expect(refusal(['x'], { x: header })?.code).toBe('invalid_headers')
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  test('a column under the name of a prototype cannot be ignored either, since it would be echoed', () => {
    expect(refusal(['__proto__', 'email'], { ['__proto__']: '' })?.code).toBe('invalid_headers')
  })

  test.each([
    ['email', 'emails[0].email'],
    ['languages', 'languages[0]'],
    ['remote_data.a', 'remote_data.a.b'],
    ['remote_data.a.b', 'remote_data.a'],
    ['remote_data.a[0]', 'remote_data.a.b'],
  ])('%s and %s fill the same place', (first, second) => {
    expect(refusal([first, second])?.code).toBe('conflicting_headers')
  })

  test.each([
    ['First Name', 'first_name'],
    ['email', 'EMAIL'],
  ])('%s and %s are one header', (first, second) => {
    expect(refusal([first, second])?.code).toBe('duplicate_headers')
  })

  test('a header longer than any name is looked up nowhere, since that takes the square of its length', () => {
    expect(refusal([`Vorname [${'x'.repeat(100)}]`])).toBeUndefined()
    expect(refusal([`Vorname [${'x'.repeat(1_000)}]`])?.code).toBe('unknown_headers')
  })

  test('the largest index and the deepest path that are allowed', () => {
    expect(refusal(['emails[99].email', `remote_data${'.a'.repeat(9)}`])).toBeUndefined()
  })
})
