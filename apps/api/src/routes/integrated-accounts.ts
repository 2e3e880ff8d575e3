import type { IntegratedAccountResource } from '@muster/contracts/integrated-account'
import type { JsonObject } from '@muster/contracts/json'
import type { RemoteCall } from '@muster/contracts/operation'
import { routes } from '@muster/contracts/routes'
import { blotOut, secretStrings } from '@muster/contracts/secrets'
import { checkAccount } from '@muster/providers/account-config'
import { connect, isSuccess } from '@muster/providers/connection'
import { RemoteFailureError, type RemoteFailure } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/store/accounts'
import { createTokenStore } from '@muster/store/token-store'
import { v4 as uuidv4 } from 'uuid'
import { toAccountContext } from '../create-input.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { invalid, notFound, RequestError } from '../http/request-error.ts'

const time = (at: number): string => new Date(at).toISOString()

const toResource = (record: AccountRecord): IntegratedAccountResource => ({
  id: record.id,
  provider: record.provider,
  name: record.name,
  status: record.status,
  status_reason: record.statusReason,
  status_since: time(record.statusSince),
  credential_type: record.credentialType,
  config: record.config,
  limits: record.limits,
  created_at: time(record.createdAt),
  updated_at: time(record.updatedAt),
})

/** null removes a key. */
const patchConfig = (config: JsonObject, patch: JsonObject | undefined): JsonObject => Object.fromEntries(Object.entries({ ...config, ...patch }).filter(([, value]) => value !== null))

export function integratedAccountRoutes({ store, schedule, http, config }: ApiDependencies) {
  const allowedHosts = config.MUSTER_ALLOWED_HOSTS

  async function own(tenantId: string, accountId: string): Promise<AccountRecord> {
    const account = await store.accounts.read(accountId)
    if (!account || account.tenantId !== tenantId) throw notFound('integrated account')
    return account
  }

  async function setStatus(tenantId: string, accountId: string, status: 'active' | 'paused', reason: string | null) {
    await own(tenantId, accountId)
    const now = Date.now()
    const written = await store.accounts.update(accountId, (record) => (record.status === status ? undefined : { ...record, status, statusReason: reason, statusSince: now, updatedAt: now }))
    if (!written) throw notFound('integrated account')
    await schedule.reload(accountId)
    return { status: 200, body: toResource(written) }
  }

  const create = defineEndpoint(routes.createIntegratedAccount, async ({ tenantId, body }) => {
    const problems = checkAccount(providerOf(body.provider), body.config ?? {}, body.credentials, allowedHosts)
    if (problems.length > 0) throw invalid(problems)
    const now = Date.now()
    const record: AccountRecord = {
      id: uuidv4(),
      tenantId,
      provider: body.provider,
      name: body.name,
      status: 'active',
      statusReason: null,
      statusSince: now,
      credentialType: body.credentials.type,
      credentialsVersion: 1,
      config: body.config ?? {},
      limits: body.limits ?? {},
      createdAt: now,
      updatedAt: now,
    }
    await store.accounts.create(record, body.credentials)
    return { status: 201, headers: { location: `/integrated-accounts/${record.id}` }, body: toResource(record) }
  })

  const update = defineEndpoint(routes.updateIntegratedAccount, async ({ tenantId, params, body }) => {
    const account = await own(tenantId, params.id)
    const problems = checkAccount(providerOf(account.provider), patchConfig(account.config, body.config), body.credentials, allowedHosts)
    if (problems.length > 0) throw invalid(problems)
    const now = Date.now()
    const change = (record: AccountRecord): AccountRecord => ({
      ...record,
      name: body.name ?? record.name,
      config: patchConfig(record.config, body.config),
      limits: body.limits ?? record.limits,
      updatedAt: now,
    })
    const written = body.credentials ? await store.accounts.replaceCredentials(params.id, body.credentials, change, now) : await store.accounts.update(params.id, change)
    if (!written) throw notFound('integrated account')
    await schedule.reload(params.id)
    return { status: 200, body: toResource(written) }
  })

  const remove = defineEndpoint(routes.deleteIntegratedAccount, async ({ tenantId, params }) => {
    const account = await own(tenantId, params.id)
    const open = await store.operations.countOpen(account.id)
    if (open > 0) throw new RequestError('conflict', `The account has ${open} unfinished operations: cancel them, or wait for them.`)
    await store.accounts.remove(account)
    return { status: 204 }
  })

  const test = defineEndpoint(routes.testIntegratedAccount, async ({ tenantId, params, signal }) => {
    const account = await own(tenantId, params.id)
    const provider = providerOf(account.provider)
    const credentials = await store.accounts.readCredentials(account.id)
    if (!credentials) throw notFound('integrated account')
    const calls: RemoteCall[] = []
    const connection = connect({
      provider,
      account: toAccountContext(account),
      credentials,
      http,
      allowedHosts,
      tokens: createTokenStore(store, account),
      // One call outside the lane's pace: it may wait for nobody, and the provider's 429 is an answer too.
      waitForSlot: async () => undefined,
      onCall: (call) => calls.push(call),
      signal,
    })
    const describe = (failure: RemoteFailure) => ({
      ok: false,
      status: failure.disposition === 'unauthorized' ? 'needs_reauth' : failure.disposition === 'forbidden' || failure.code === 'permission_denied' ? 'permission_denied' : 'unreachable',
      message: String(blotOut(failure.message, secretStrings({ ...credentials, type: '' }))),
      calls,
    })
    try {
      const response = await connection.read('check', provider.toCheckRequest(toAccountContext(account)))
      const body = isSuccess(response) ? { ok: true, status: 'active', message: `${provider.name} accepts the credentials.`, calls } : describe(provider.classifyFailure(response))
      return { status: 200, body }
    } catch (error) {
      if (error instanceof RemoteFailureError) return { status: 200, body: describe(error.failure) }
      throw error
    }
  })

  return [
    create,
    defineEndpoint(routes.listIntegratedAccounts, async ({ tenantId, query }) => {
      const accounts = await store.accounts.list(tenantId)
      return { status: 200, body: { result: accounts.filter((account) => query.provider === undefined || account.provider === query.provider).map(toResource) } }
    }),
    defineEndpoint(routes.readIntegratedAccount, async ({ tenantId, params }) => ({ status: 200, body: toResource(await own(tenantId, params.id)) })),
    update,
    remove,
    test,
    defineEndpoint(routes.pauseIntegratedAccount, ({ tenantId, params }) => setStatus(tenantId, params.id, 'paused', 'Paused by hand.')),
    defineEndpoint(routes.resumeIntegratedAccount, ({ tenantId, params }) => setStatus(tenantId, params.id, 'active', null)),
  ]
}
