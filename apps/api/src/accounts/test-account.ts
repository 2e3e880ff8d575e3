import type { AccountTest, Credentials } from '@muster/contracts/integrated-account'
import type { RemoteCall } from '@muster/contracts/operation'
import { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut, credentialSecrets } from '@muster/contracts/secrets'
import { accountLane } from '@muster/domain/lane-id'
import { checkCredentials } from '@muster/providers/engine/check-credentials'
import { holdFor } from '@muster/providers/engine/classify'
import { connect } from '@muster/providers/engine/connection'
import type { RemoteFailure } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import { createTokenStore } from '@muster/store/accounts/token-store'
import { toAccountResource } from './account-resource.ts'
import { toAccountContext } from '../operations/create-input.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { notFound } from '../http/request-error.ts'

type Dependencies = Pick<ApiDependencies, 'store' | 'egress' | 'schedule' | 'events' | 'config'>

/** One call with the account's credentials that changes nothing at the provider, and nothing here. */
export async function testAccount(
  dependencies: Dependencies,
  account: AccountRecord,
  signal: AbortSignal,
): Promise<AccountTest> {
  const provider = providerOf(account.provider)
  const credentials = await dependencies.store.accounts.readCredentials(account.id)
  if (!credentials) throw notFound('integrated account')
  const calls: RemoteCall[] = []
  const secrets = new KnownSecrets(credentialSecrets(credentials))
  const connection = connectOutsideLane(dependencies, account, { credentials, secrets, calls, signal })
  let failure: RemoteFailure | undefined
  try {
    failure = await checkCredentials(provider, toAccountContext(account), connection)
  } catch (error) {
    if (!signal.aborted) throw error
    return { ok: false, status: 'unreachable', message: `${provider.name} did not answer in time.`, calls }
  }
  if (!failure) return { ok: true, status: 'active', message: `${provider.name} accepts the credentials.`, calls }
  const message = blotOut(failure.message, secrets)
  return { ok: false, status: holdFor(failure) ?? 'unreachable', message, calls }
}

const connectOutsideLane = (
  { store, egress, schedule, config }: Dependencies,
  account: AccountRecord,
  test: { credentials: Credentials; secrets: KnownSecrets; calls: RemoteCall[]; signal: AbortSignal },
) =>
  connect({
    provider: providerOf(account.provider),
    account: toAccountContext(account),
    credentials: test.credentials,
    secrets: test.secrets,
    // No lane paces these calls: all of a tenant share the connections of one.
    http: egress.httpFor({ tenantId: account.tenantId, laneId: account.tenantId }),
    allowedHosts: config.MUSTER_ALLOWED_HOSTS,
    tokens: createTokenStore(store, account),
    // It waits for no permit: the provider's 429 is an answer too.
    waitForPermit: async () => void (await schedule.noteCall(accountLane(account.id))),
    onCall: (call) => test.calls.push(call),
    signal: test.signal,
  })

/** The client waits for the answer. */
const NEW_CREDENTIALS_TIMEOUT_MS = 10_000

/**
 * Tests new credentials at once: wrong ones put the account on hold before the first user is created. A provider that
 * does not answer, or not about the credentials, leaves the account as it is.
 */
async function testNewCredentials(
  dependencies: Dependencies,
  account: AccountRecord,
  signal: AbortSignal,
): Promise<{ account: AccountRecord; test: AccountTest }> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(NEW_CREDENTIALS_TIMEOUT_MS)])
  const test = await testAccount(dependencies, account, bounded)
  if (test.status !== 'needs_reauth' && test.status !== 'permission_denied') return { account, test }
  const held = await dependencies.store.accounts.hold(
    account.id,
    test.status,
    test.message,
    account.credentialsVersion,
    Date.now(),
  )
  return { account: held ?? account, test }
}

/** An account as connecting or changing it is answered, after a test of its credentials where `isTested`. */
export async function showTested(
  dependencies: Dependencies,
  record: AccountRecord,
  isTested: boolean,
  signal: AbortSignal,
) {
  if (!isTested) return { ...toAccountResource(record), test: null }
  const { account, test } = await testNewCredentials(dependencies, record, signal)
  if (account.status !== record.status) {
    dependencies.events.nudge({ kind: 'account', id: account.id })
    await dependencies.schedule.reload(accountLane(account.id))
  }
  return { ...toAccountResource(account), test }
}
