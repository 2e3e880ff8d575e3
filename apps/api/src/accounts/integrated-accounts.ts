import { routes } from '@muster/contracts/routes'
import type { AccountRecord } from '@muster/domain/account/record'
import { pause, resume } from '@muster/domain/account/state'
import { accountLane } from '@muster/domain/lane-id'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint, type ApiResponse } from '../http/endpoint.ts'
import { isOwn, readOwnAccount } from '../http/own-records.ts'
import { fitPage, toPageOptions } from '../http/page.ts'
import { notFound, RequestError } from '../http/request-error.ts'
import { toAccountResource } from './account-resource.ts'
import { connectAccount } from './connect-account.ts'
import { testAccount } from './test-account.ts'
import { updateAccount } from './update-account.ts'

const DAY_MS = 86_400_000

export const integratedAccountRoutes = (dependencies: ApiDependencies) => [
  connectAccount(dependencies),
  listAccounts(dependencies),
  readAccount(dependencies),
  updateAccount(dependencies),
  deleteAccount(dependencies),
  testOnDemand(dependencies),
  pauseAccount(dependencies),
  resumeAccount(dependencies),
]

const listAccounts = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.listIntegratedAccounts, async ({ tenantId, caller, query }) => {
    const { records, next } = await store.accounts.list(tenantId, toPageOptions(query))
    const wanted = records
      .filter((account) => isOwn(caller, account))
      .filter(({ provider }) => query.provider === undefined || provider === query.provider)
    return { status: 200, body: fitPage(wanted.map(toAccountResource), next, ({ id }) => id) }
  })

const readAccount = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.readIntegratedAccount, async ({ caller, params }) => ({
    status: 200,
    body: toAccountResource(await readOwnAccount(store, caller, params.id)),
  }))

const deleteAccount = ({ store, schedule, config }: ApiDependencies) =>
  defineEndpoint(routes.deleteIntegratedAccount, async ({ caller, params }) => {
    const account = await readOwnAccount(store, caller, params.id)
    // No janitor looks for the waiting events of a deleted account.
    await store.dispatchEvents({ kind: 'account', id: account.id }, Date.now, schedule.wake)
    if (!(await store.accounts.remove(account, config.MUSTER_RETENTION_DAYS * DAY_MS))) {
      const open = await store.operations.countOpen(account.id)
      throw new RequestError(
        'conflict',
        `The account has ${open} unfinished operations: cancel them, or wait for them.`,
      )
    }
    // The owner of its lane finds it deleted, and closes the lane.
    await schedule.reload(accountLane(account.id))
    return { status: 204 }
  })

const testOnDemand = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.testIntegratedAccount, async ({ caller, params, signal }) => {
    const account = await readOwnAccount(dependencies.store, caller, params.id)
    return { status: 200, body: await testAccount(dependencies, account, signal) }
  })

const pauseAccount = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.pauseIntegratedAccount, async ({ caller, params }) => {
    await readOwnAccount(dependencies.store, caller, params.id)
    return change(dependencies, params.id, pause)
  })

const resumeAccount = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.resumeIntegratedAccount, async ({ caller, params }) => {
    await readOwnAccount(dependencies.store, caller, params.id)
    return change(dependencies, params.id, resume, () => dependencies.schedule.endCooldown(accountLane(params.id)))
  })

/** Changes the account and notifies its lane. */
async function change(
  { store, schedule, events }: ApiDependencies,
  id: string,
  transition: (record: AccountRecord, now: number) => AccountRecord | undefined,
  beforeReload = async (): Promise<unknown> => undefined,
): Promise<ApiResponse> {
  const now = Date.now()
  const written = await store.accounts.update(id, (record) => transition(record, now))
  if (!written) throw notFound('integrated account')
  events.nudge({ kind: 'account', id })
  await beforeReload()
  await schedule.reload(accountLane(id))
  return { status: 200, body: toAccountResource(written) }
}
