import { activecampaign } from './activecampaign/simulator.ts'
import { okta } from './okta/simulator.ts'
import type { Vendor } from './vendor.ts'

export const vendors: readonly Vendor[] = [
  activecampaign,
  okta,
]
