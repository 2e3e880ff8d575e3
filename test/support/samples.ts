import type { JsonObject } from '../../packages/contracts/src/json.ts'
import { credentialsSchema } from '../../packages/contracts/src/integrated-account.ts'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import type { AccountContext } from '../../packages/providers/src/provider.ts'
import { vendors } from '../../apps/simulator/src/registry.ts'
import type { VendorSample } from '../../apps/simulator/src/framework/vendor.ts'

/** What the provider's simulator accepts: credentials, config and users. */
export function sampleOf(provider: ProviderId): VendorSample {
  const vendor = vendors.find(({ id }) => id === provider)
  if (!vendor) throw new Error(`no simulator of ${provider}`)
  return vendor.sample
}

/** The values of its credentials that nothing may show. */
export const secretsOf = (provider: ProviderId): string[] =>
  Object.entries(sampleOf(provider).credentials).flatMap(([name, value]) =>
    /token|key|secret/.test(name) ? [value] : [],
  )

/** An account at a simulator, as an adapter sees it. */
export function accountOf(provider: ProviderId, config: JsonObject = {}, url = 'http://127.0.0.1:1'): AccountContext {
  const sample = sampleOf(provider)
  return {
    config: { ...sample.config(url), ...config },
    credentialType: credentialsSchema.parse(sample.credentials).type,
  }
}
