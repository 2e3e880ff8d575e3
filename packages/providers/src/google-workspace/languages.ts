/**
 * Where Google's list of language codes (developers.google.com/workspace/admin/directory/v1/languages) writes otherwise
 * than BCP 47. Codes outside the list are taken too, so all else is passed on as it is.
 */
const googleCodes: Readonly<Record<string, string>> = {
  'en-US': 'en',
  he: 'iw',
  nb: 'no',
  'zh-Hans': 'zh-CN',
  'zh-Hant': 'zh-TW',
}

/** The withdrawn ISO code that Google still answers with. */
const bcp47Tags: Readonly<Record<string, string>> = { iw: 'he' }

function canonical(tag: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(tag.replaceAll('_', '-'))[0]
  } catch {
    return undefined
  }
}

/** Undefined for what is not a language tag, such as "Klingonaase". */
export function toGoogleLanguage(tag: string): string | undefined {
  const known = canonical(tag)
  // A primary subtag of more than three letters is well-formed, but no ISO 639 code, which is what Google asks for.
  if (known === undefined || !/^[a-z]{2,3}(-|$)/.test(known)) return undefined
  return googleCodes[known] ?? known
}

export function toBcp47(code: string): string {
  return bcp47Tags[code] ?? code.replaceAll('_', '-')
}
