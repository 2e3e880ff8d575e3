import type { InputProblem } from '@muster/contracts/problem'
import { checkEndpointUrl } from '@muster/webhooks/endpoint-url'
import type { ApiDependencies } from '../dependencies.ts'
import { isOwn, type Caller } from '../http/own-records.ts'

type Dependencies = Pick<ApiDependencies, 'store' | 'egress' | 'config'>

/**
 * Everything wrong with an address that events are sent to: how it is written, and where it leads now. It is checked
 * again at every connection.
 */
async function checkWebhookUrl(
  { egress, config }: Pick<Dependencies, 'egress' | 'config'>,
  tenantId: string,
  url: string,
  pointer: string,
): Promise<InputProblem[]> {
  const problems = checkEndpointUrl(url, config.MUSTER_ALLOWED_HOSTS)
  if (problems.length > 0) return problems.map((problem) => ({ pointer, ...problem }))
  const refusal = await egress.checkDestination(url, tenantId)
  return refusal === undefined ? [] : [{ pointer, code: 'address_refused', detail: refusal }]
}

/** A callback must also be signed, with a secret that the client has. */
export async function checkCallback(
  dependencies: Dependencies,
  tenantId: string,
  callbackUrl: string,
  mode: 'test' | undefined,
): Promise<InputProblem[]> {
  const problems = await checkWebhookUrl(dependencies, tenantId, callbackUrl, '?callback_url')
  const secrets = await dependencies.store.webhookEndpoints.readCallbackSecrets(tenantId, mode)
  if (secrets.length === 0)
    problems.push({
      pointer: '?callback_url',
      code: 'no_callback_secret',
      detail: 'There is no secret to sign callbacks with: create one with POST /callback-secret.',
    })
  return problems
}

/** What is wrong with the address and the accounts of an endpoint. */
export async function checkEndpoint(
  dependencies: Dependencies,
  caller: Caller,
  body: { url?: string | undefined; integrated_account_ids?: string[] | null | undefined },
): Promise<InputProblem[]> {
  const problems = body.url === undefined ? [] : await checkWebhookUrl(dependencies, caller.tenantId, body.url, '/url')
  const accountIds = body.integrated_account_ids ?? []
  const accounts = await dependencies.store.accounts.readMany(accountIds)
  const own = new Set(accounts.filter((account) => isOwn(caller, account)).map(({ id }) => id))
  accountIds.forEach((id, index) => {
    if (!own.has(id))
      problems.push({
        pointer: `/integrated_account_ids/${index}`,
        code: 'not_found',
        detail: 'There is no such integrated account.',
      })
  })
  return problems
}
