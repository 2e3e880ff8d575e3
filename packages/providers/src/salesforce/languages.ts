/**
 * BCP 47 to LanguageLocaleKey: the 18 languages that every org can use (the picklist as published by HashiCorp's
 *   Salesforce provider for Terraform in 2023).
 * LanguageLocaleKey is not the list of locales: `en` and `de_DE` are not in it.
 */
const byTag: Readonly<Record<string, string>> = {
  da: 'da',
  de: 'de',
  en: 'en_US',
  es: 'es',
  'es-MX': 'es_MX',
  fi: 'fi',
  fr: 'fr',
  it: 'it',
  ja: 'ja',
  ko: 'ko',
  nb: 'no',
  nl: 'nl_NL',
  nn: 'no',
  no: 'no',
  'pt-BR': 'pt_BR',
  ru: 'ru',
  sv: 'sv',
  th: 'th',
  zh: 'zh_CN',
  'zh-Hans': 'zh_CN',
  'zh-Hant': 'zh_TW',
  'zh-HK': 'zh_TW',
  'zh-MO': 'zh_TW',
  'zh-TW': 'zh_TW',
}

/** Salesforce names these languages as Java long did (both in the locale list of the same source). */
const legacyLanguages: Readonly<Record<string, string>> = { he: 'iw', id: 'in', nb: 'no', nn: 'no' }
const modernLanguages: Readonly<Record<string, string>> = { iw: 'he', in: 'id' }

/** LocaleSidKey, by language: the regions that it comes with (same source). */
const localeRegions: Readonly<Record<string, string>> = {
  af: 'ZA',
  ar: 'AE BH DZ EG IQ JO KW LB LY MA OM QA SA SD TN YE',
  az: 'AZ',
  be: 'BY',
  bg: 'BG',
  bn: 'BD IN',
  bs: 'BA',
  ca: 'ES',
  cs: 'CZ',
  cy: 'GB',
  da: 'DK',
  de: 'AT BE CH DE LU',
  el: 'GR',
  en: 'AU BB BM BS BW CA GB GH GI HK ID IE IN JM KE KY MU MY NA NG NZ PH PK SG TT TZ UG US ZA',
  es: 'AR BO CL CO CR CU DO EC ES GT HN MX NI PA PE PR PY SV US UY VE',
  et: 'EE',
  eu: 'ES',
  fa: 'IR',
  fi: 'FI',
  fr: 'BE CA CH FR HT LU MC',
  ga: 'IE',
  gu: 'IN',
  hi: 'IN',
  hr: 'HR',
  hu: 'HU',
  hy: 'AM',
  in: 'ID',
  is: 'IS',
  it: 'CH IT',
  iw: 'IL',
  ja: 'JP',
  ka: 'GE',
  kk: 'KZ',
  km: 'KH',
  kn: 'IN',
  ko: 'KR',
  ky: 'KG',
  lb: 'LU',
  lo: 'LA',
  lt: 'LT',
  lv: 'LV',
  mi: 'NZ',
  mk: 'MK',
  ml: 'IN',
  mr: 'IN',
  ms: 'BN MY',
  mt: 'MT',
  my: 'MM',
  ne: 'NP',
  nl: 'BE NL SR',
  no: 'NO',
  pl: 'PL',
  ps: 'AF',
  pt: 'AO BR CV MZ PT',
  rm: 'CH',
  ro: 'MD RO',
  ru: 'KZ RU',
  sk: 'SK',
  sl: 'SI',
  sq: 'AL',
  sr: 'RS',
  sv: 'SE',
  sw: 'KE',
  ta: 'IN LK',
  te: 'IN',
  th: 'TH',
  tr: 'TR',
  uk: 'UA',
  ur: 'PK',
  vi: 'VN',
  xh: 'ZA',
  zh: 'CN HK MO SG TW',
  zu: 'ZA',
}

/** The parts of a BCP 47 tag that Salesforce distinguishes; undefined when it is none. */
function partsOf(tag: string): { language: string; script?: string; region?: string } | undefined {
  try {
    const { language, script, region } = new Intl.Locale(tag)
    return { language, ...(script ? { script } : {}), ...(region ? { region } : {}) }
  } catch {
    return undefined
  }
}

/**
 * A value with an underscore is Salesforce's own, such as en_GB in an org that has switched it on, and is passed on.
 */
const isSalesforceKey = (tag: string): boolean => /^[a-z]{2,3}_[A-Za-z_]+$/.test(tag)

/** Undefined: not a language tag at all. A language outside the 18 is sent by its code: orgs can switch more on. */
export function toLanguageLocaleKey(tag: string): string | undefined {
  if (isSalesforceKey(tag)) return tag
  const parts = partsOf(tag)
  if (!parts) return undefined
  const { language, script, region } = parts
  const known = [`${language}-${script ?? ''}`, `${language}-${region ?? ''}`, language]
    .map((key) => byTag[key])
    .find(Boolean)
  if (known) return known
  // The one other language that Salesforce splits by region.
  if (language === 'pt') return region ? `pt_${region}` : 'pt_BR'
  return legacyLanguages[language] ?? language
}

/** Undefined where the tag names no region, or Salesforce has no such locale. */
export function toLocaleSidKey(tag: string): string | undefined {
  const parts = partsOf(tag.replaceAll('_', '-'))
  if (!parts?.region) return undefined
  const language = legacyLanguages[parts.language] ?? parts.language
  return localeRegions[language]?.split(' ').includes(parts.region) ? `${language}_${parts.region}` : undefined
}

/** LanguageLocaleKey as BCP 47. */
export function toLanguageTag(languageLocaleKey: string): string {
  const [language = '', ...rest] = languageLocaleKey.split('_')
  return [modernLanguages[language] ?? language, ...rest].join('-')
}

/** Whether the key says as much as the tag did: en-GB sent as en_US does not. */
export function isSameLanguage(tag: string, languageLocaleKey: string): boolean {
  const sent = partsOf(tag.replaceAll('_', '-'))
  const kept = partsOf(toLanguageTag(languageLocaleKey))
  const [, keptRegion] = languageLocaleKey.split('_')
  return !sent?.region || !keptRegion || kept?.region === sent.region
}
