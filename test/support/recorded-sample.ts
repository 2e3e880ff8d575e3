import { credentialsSchema } from '../../packages/contracts/src/integrated-account.ts'
import { unifiedUserInputSchema } from '../../packages/contracts/src/unified-user.ts'
import { isSuccess } from '../../packages/providers/src/engine/connection.ts'
import type { Provider, RemoteResponse } from '../../packages/providers/src/provider.ts'
import type { ConformanceSample } from '../../packages/providers/test/conformance.ts'
import { closeAll, open } from '../../packages/providers/test/live-server.ts'
import { vendors } from '../../apps/simulator/src/registry.ts'
import { serveSimulators } from '../../apps/simulator/src/framework/serve.ts'
import { accountOf, sampleOf } from './samples.ts'

/** What the provider's simulator answers to its adapter: no user, a create, the same user. */
export async function recordSample(provider: Provider): Promise<ConformanceSample> {
  const simulators = await serveSimulators({ vendors: vendors.filter(({ id }) => id === provider.id) })
  try {
    return await record(provider, simulators.urls[provider.id] ?? '')
  } finally {
    await closeAll()
    await simulators.close()
  }
}

async function record(provider: Provider, url: string): Promise<ConformanceSample> {
  const sample = sampleOf(provider.id)
  const account = accountOf(provider.id, {}, url)
  const input = { user: unifiedUserInputSchema.parse(sample.user('ada.lovelace')), remoteQuery: {} }
  const connection = open(url, {
    provider,
    credentials: credentialsSchema.parse(sample.credentials),
    config: { ...sample.config(url) },
  })
  const found: Record<string, unknown> = {}
  for (const lookUp of provider.lookUps?.(input, account) ?? [])
    found[lookUp.key] = lookUp.parse(await connection.read('look_up', lookUp.request))
  const find = () => connection.read('find', provider.toFindRequest(input, account))

  const absent = await find()
  const created = await connection.write('create', provider.toCreateRequest(input, account, found).request)
  const { remoteId = '', body } = provider.parseCreated(created, input) ?? {}
  const readResponse = provider.toReadRequest
    ? await connection.read('read', provider.toReadRequest(remoteId, account))
    : undefined
  const record = readResponse && provider.parseRead ? provider.parseRead(readResponse) : (readResponse?.body ?? body)
  return {
    account,
    minimal: input,
    full: input,
    found,
    created,
    ...(readResponse && { readResponse }),
    user: provider.toUser(record, input, account),
    foundResponse: await untilFound(find, (response) => typeof provider.parseFound(response, input, account)),
    absent: [absent],
  }
}

/** A look-up may lag behind. */
async function untilFound(
  find: () => Promise<RemoteResponse>,
  kindOf: (response: RemoteResponse) => string,
): Promise<RemoteResponse> {
  for (let tries = 0; ; tries += 1) {
    const response = await find()
    if ((isSuccess(response) && kindOf(response) === 'object') || tries > 50) return response
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
