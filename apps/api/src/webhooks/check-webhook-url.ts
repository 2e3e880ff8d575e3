import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { InputProblem } from '@muster/contracts/problem'
import type { Egress } from '@muster/egress/egress'
import { checkEndpointUrl } from '@muster/webhooks/endpoint-url'
import type { ApiDependencies } from '../dependencies.ts'

export interface UrlCheck {
  egress: Egress
  allowedHosts: AllowedHosts
  tenantId: string
}

/**
 * Everything wrong with an address that somebody wants to be told at: how it is written, and where it leads at the
 * moment. It is checked again whenever it is connected to.
 */
export async function checkWebhookUrl(
  url: string,
  pointer: string,
  { egress, allowedHosts, tenantId }: UrlCheck,
): Promise<InputProblem[]> {
  const problems = checkEndpointUrl(url, allowedHosts)
  if (problems.length > 0) return problems.map((problem) => ({ pointer, ...problem }))
  const refusal = await egress.checkDestination(url, tenantId)
  return refusal === undefined ? [] : [{ pointer, code: 'address_refused', detail: refusal }]
}

/** Besides, what is sent there must be signed, and the client must hold the secret to check it with. */
export async function checkCallback(
  { store, egress, config }: Pick<ApiDependencies, 'store' | 'egress' | 'config'>,
  tenantId: string,
  callbackUrl: string,
  mode: 'test' | undefined,
): Promise<InputProblem[]> {
  const allowedHosts = config.MUSTER_ALLOWED_HOSTS
  const problems = await checkWebhookUrl(callbackUrl, '?callback_url', { egress, allowedHosts, tenantId })
  const secrets = await store.webhookEndpoints.readCallbackSecrets(tenantId, mode)
  if (secrets.length === 0)
    problems.push({
      pointer: '?callback_url',
      code: 'no_callback_secret',
      detail: 'There is no secret to sign callbacks with: make one with POST /callback-secret.',
    })
  return problems
}
