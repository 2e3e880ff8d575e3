import type { IntegratedAccountResource } from '@muster/contracts/integrated-account'
import { routes } from '@muster/contracts/routes'
import { accountLane } from '@muster/domain/lane-id'
import { checkAccount } from '@muster/providers/engine/account-config'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import { pause, resume } from '@muster/domain/account/state'
import { refuseLargeAccount } from '@muster/store/accounts/accounts'
import { v4 as uuidv4 } from 'uuid'
import { checkPatch, findNewAccountProblems, findPatchProblems, patchConfig } from './check-account.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { fitPage, toPageOptions } from '../http/page.ts'
import { invalid, notFound, RequestError } from '../http/request-error.ts'
import { checkMode, isOwn, readOwnAccount, type Caller } from '../http/own-records.ts'
import { testAccount, testNewCredentials } from './test-account.ts'

const time = (at: number): string => new Date(at).toISOString()

const toResource = (record: AccountRecord): IntegratedAccountResource => ({
  id: record.id,
  provider: record.provider,
  name: record.name,
  mode: record.mode ?? 'live',
  status: record.status,
  status_reason: record.statusReason,
  status_since: time(record.statusSince),
  credential_type: record.credentialType,
  config: record.config,
  limits: record.limits,
  cooldown:
    record.cooldown && record.cooldown.until > Date.now()
      ? { until: time(record.cooldown.until), reason: record.cooldown.reason }
      : null,
  created_at: time(record.createdAt),
  updated_at: time(record.updatedAt),
})

export function integratedAccountRoutes({ store, schedule, events, egress, config }: ApiDependencies) {
  const allowedHosts = config.MUSTER_ALLOWED_HOSTS

  async function setStatus(caller: Caller, accountId: string, status: 'active' | 'paused') {
    await readOwnAccount(store, caller, accountId)
    const now = Date.now()
    const endsCooldown = status === 'active'
    const written = await store.accounts.update(accountId, (record) =>
      status === 'active' ? resume(record, now) : pause(record, now),
    )
    if (!written) throw notFound('integrated account')
    events.nudge({ kind: 'account', id: accountId })
    if (endsCooldown) await schedule.endCooldown(accountLane(accountId))
    await schedule.reload(accountLane(accountId))
    return { status: 200, body: toResource(written) }
  }

  async function toTested(record: AccountRecord, isTested: boolean, signal: AbortSignal) {
    if (!isTested) return { ...toResource(record), test: null }
    const { account, test } = await testNewCredentials({ store, egress, schedule, allowedHosts }, record, signal)
    if (account.status !== record.status) {
      events.nudge({ kind: 'account', id: account.id })
      await schedule.reload(accountLane(account.id))
    }
    return { ...toResource(account), test }
  }

  const create = defineEndpoint(
    routes.createIntegratedAccount,
    async ({ tenantId, caller, query, body, signal }) => {
      const problems = [
        ...checkMode(caller, body.mode),
        ...checkAccount(providerOf(body.provider), body.config ?? {}, body.credentials, allowedHosts),
      ]
      if (problems.length > 0) throw invalid(problems)
      const now = Date.now()
      const record: AccountRecord = {
        id: uuidv4(),
        tenantId,
        provider: body.provider,
        name: body.name,
        ...(body.mode === 'test' ? { mode: body.mode } : {}),
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
      return {
        status: 201,
        headers: { location: `/integrated-accounts/${record.id}` },
        body: await toTested(record, query.test !== false, signal),
      }
    },
    async (refused) => findNewAccountProblems(refused, allowedHosts),
  )

  const update = defineEndpoint(
    routes.updateIntegratedAccount,
    async ({ caller, params, query, body, signal }) => {
      const account = await readOwnAccount(store, caller, params.id)
      const problems = checkPatch(account, body.config, body.credentials, allowedHosts)
      if (problems.length > 0) throw invalid(problems)
      const now = Date.now()
      // What the provider said of the old ones says nothing of these; if it does, it will say so again.
      const isNewStart = body.credentials !== undefined || body.limits !== undefined
      const change = (record: AccountRecord): AccountRecord => {
        const next = {
          ...record,
          name: body.name ?? record.name,
          config: patchConfig(record.config, body.config),
          limits: body.limits ?? record.limits,
          cooldown: isNewStart ? null : (record.cooldown ?? null),
          updatedAt: now,
        }
        refuseLargeAccount(next)
        return next
      }
      const written = body.credentials
        ? await store.accounts.replaceCredentials(params.id, body.credentials, change, now)
        : await store.accounts.update(params.id, change)
      if (!written) throw notFound('integrated account')
      events.nudge({ kind: 'account', id: params.id })
      // Before the lane may open: wrong credentials are met by the test, not by the first user.
      const tested = await toTested(written, body.credentials !== undefined && query.test !== false, signal)
      if (isNewStart) await schedule.endCooldown(accountLane(params.id))
      await schedule.reload(accountLane(params.id))
      return { status: 200, body: tested }
    },
    async (refused) =>
      findPatchProblems(await readOwnAccount(store, refused.caller, refused.params.id ?? ''), refused, allowedHosts),
  )

  const remove = defineEndpoint(routes.deleteIntegratedAccount, async ({ caller, params }) => {
    const account = await readOwnAccount(store, caller, params.id)
    // Of an account that is gone nobody looks for what waits to be told.
    await store.dispatchEvents({ kind: 'account', id: account.id }, Date.now, schedule.wake)
    if (!(await store.accounts.remove(account, config.MUSTER_RETENTION_DAYS * 86_400_000)))
      throw new RequestError(
        'conflict',
        `The account has ${await store.operations.countOpen(account.id)} unfinished operations: cancel them, or wait for them.`,
      )
    // Its owner finds it gone, and takes the lane away.
    await schedule.reload(accountLane(account.id))
    return { status: 204 }
  })

  const testOnDemand = defineEndpoint(routes.testIntegratedAccount, async ({ caller, params, signal }) => ({
    status: 200,
    body: await testAccount(
      { store, egress, schedule, allowedHosts },
      await readOwnAccount(store, caller, params.id),
      signal,
    ),
  }))

  return [
    create,
    defineEndpoint(routes.listIntegratedAccounts, async ({ tenantId, caller, query }) => {
      const { records, next } = await store.accounts.list(tenantId, toPageOptions(query))
      const wanted = records
        .filter((account) => isOwn(caller, account))
        .filter(({ provider }) => query.provider === undefined || provider === query.provider)
      return { status: 200, body: fitPage(wanted.map(toResource), next, ({ id }) => id) }
    }),
    defineEndpoint(routes.readIntegratedAccount, async ({ caller, params }) => ({
      status: 200,
      body: toResource(await readOwnAccount(store, caller, params.id)),
    })),
    update,
    remove,
    testOnDemand,
    defineEndpoint(routes.pauseIntegratedAccount, ({ caller, params }) => setStatus(caller, params.id, 'paused')),
    defineEndpoint(routes.resumeIntegratedAccount, ({ caller, params }) => setStatus(caller, params.id, 'active')),
  ]
}
