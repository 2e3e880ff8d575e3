import type { ProviderId } from '@muster/contracts/provider-ids'
import { activecampaign } from './activecampaign/provider.ts'
import { filesCom } from './files-com/provider.ts'
import { googleWorkspace } from './google-workspace/provider.ts'
import { meraki } from './meraki/provider.ts'
import { okta } from './okta/provider.ts'
import type { Provider } from './provider.ts'
import { salesforce } from './salesforce/provider.ts'

/** One line a provider. */
const providers: Record<ProviderId, Provider> = {
  activecampaign,
  cisco_meraki: meraki,
  files_com: filesCom,
  google_workspace: googleWorkspace,
  okta,
  salesforce,
}

export function providerOf(id: ProviderId): Provider {
  return providers[id]
}
