import { z } from 'zod'

/** The six remote systems, by the ids that appear in URLs, records and metrics. */
export const providerIds = [
  'activecampaign',
  'cisco_meraki',
  'files_com',
  'google_workspace',
  'okta',
  'salesforce',
] as const

export const providerIdSchema = z
  .enum(providerIds)
  .meta({ id: 'ProviderId', description: 'The remote system an integrated account speaks to.' })
export type ProviderId = z.infer<typeof providerIdSchema>
