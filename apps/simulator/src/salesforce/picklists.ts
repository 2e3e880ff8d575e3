/** The picklists of User as one org had them in 2023 (published by HashiCorp's Salesforce provider for Terraform). */
const list = (prefix: string, values: string): string[] => values.split(' ').map((value) => prefix + value)

export const TIME_ZONES: readonly string[] = [
  ...list(
    'Pacific/',
    'Kiritimati Chatham Auckland Enderbury Fiji Tongatapu Norfolk Guadalcanal Honolulu Niue Pago_Pago',
  ),
  ...list(
    'Asia/',
    'Kamchatka Seoul Tokyo Hong_Kong Kuala_Lumpur Manila Shanghai Singapore Taipei Bangkok Ho_Chi_Minh Jakarta Rangoon Dhaka',
  ),
  ...list(
    'Asia/',
    'Yekaterinburg Kathmandu Colombo Kolkata Karachi Tashkent Kabul Dubai Tbilisi Tehran Baghdad Kuwait Riyadh Jerusalem',
  ),
  ...list('Australia/', 'Lord_Howe Sydney Adelaide Darwin Perth'),
  ...list(
    'Europe/',
    'Moscow Minsk Athens Bucharest Helsinki Istanbul Amsterdam Berlin Brussels Paris Prague Rome Dublin Lisbon London',
  ),
  ...list('Africa/', 'Nairobi Cairo Johannesburg Algiers'),
  ...list('Atlantic/', 'Cape_Verde South_Georgia Bermuda'),
  ...list(
    'America/',
    'Sao_Paulo Argentina/Buenos_Aires Santiago St_Johns Halifax Puerto_Rico Caracas Bogota Indiana/Indianapolis Lima',
  ),
  ...list('America/', 'New_York Panama Chicago El_Salvador Mexico_City Denver Phoenix Los_Angeles Tijuana Anchorage'),
]

/** The languages that every org can use. */
export const LANGUAGES: readonly string[] = list(
  '',
  'en_US de es fr it ja sv ko zh_TW zh_CN pt_BR nl_NL da th fi ru es_MX no',
)

/** About 200 in an org; these are the ones of large user bases. */
export const LOCALES: readonly string[] = [
  ...list('en_', 'US GB AU CA IE IN NZ SG ZA HK PH MY'),
  ...list('de_', 'DE AT CH BE LU'),
  ...list('fr_', 'FR BE CA CH LU'),
  ...list('es_', 'ES MX AR CL CO PE US'),
  ...list(
    '',
    'it_IT it_CH ja_JP ko_KR sv_SE zh_CN zh_TW zh_HK zh_SG pt_BR pt_PT nl_NL nl_BE da_DK th_TH fi_FI ru_RU no_NO pl_PL tr_TR cs_CZ',
  ),
  ...list('', 'iw_IL in_ID uk_UA el_GR hu_HU ro_RO vi_VN hi_IN ar_AE ar_SA ar_EG'),
]

export const EMAIL_ENCODINGS: readonly string[] = list('', 'UTF-8 ISO-8859-1 ks_c_5601-1987 Big5 GB2312 Big5-HKSCS')
