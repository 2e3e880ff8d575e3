import { activecampaign } from './activecampaign/simulator.ts'
import { filesCom } from './files-com/simulator.ts'
import { googleWorkspace } from './google-workspace/simulator.ts'
import { meraki } from './meraki/simulator.ts'
import { okta } from './okta/simulator.ts'
import { salesforce } from './salesforce/simulator.ts'
import type { Vendor } from './vendor.ts'

export const vendors: readonly Vendor[] = [activecampaign, filesCom, googleWorkspace, meraki, okta, salesforce]
