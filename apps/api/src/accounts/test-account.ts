import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { AccountTest } from '@muster/contracts/integrated-account'
import type { RemoteCall } from '@muster/contracts/operation'
import { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut, credentialSecrets } from '@muster/contracts/secrets'
import { accountLane } from '@muster/domain/lane-id'
import type { Egress } from '@muster/egress/egress'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import { checkCredentials } from '@muster/providers/engine/check-credentials'
import { holdFor } from '@muster/providers/engine/classify'
import { connect } from '@muster/providers/engine/connection'
import type { RemoteFailure } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import type { Store } from '@muster/store/store'
import { createTokenStore } from '@muster/store/accounts/token-store'
import { toAccountContext } from '../operations/create-input.ts'
import { notFound } from '../http/request-error.ts'

/** One harmless call with the account's credentials. What it says changes nothing. */
export async function testAccount(
  {
    store,
    egress,
    schedule,
    allowedHosts,
  }: { store: Store; egress: Egress; schedule: LaneSchedule; allowedHosts: AllowedHosts },
  account: AccountRecord,
  signal: AbortSignal,
): Promise<AccountTest> {
  const provider = providerOf(account.provider)
  const credentials = await store.accounts.readCredentials(account.id)
  if (!credentials) throw notFound('integrated account')
  const calls: RemoteCall[] = []
  const secrets = new KnownSecrets(credentialSecrets(credentials))
  const connection = connect({
    provider,
    account: toAccountContext(account),
    credentials,
    secrets,
    // No lane paces these calls: all of a tenant share the connections of one.
    http: egress.httpFor({ tenantId: account.tenantId, laneId: account.tenantId }),
    allowedHosts,
    tokens: createTokenStore(store, account),
    // One call outside the lane's pace: it waits for no one, and the provider's 429 is an answer too.
    waitForPermit: async () => void (await schedule.noteCall(accountLane(account.id))),
    onCall: (call) => calls.push(call),
    signal,
  })
  let failure: RemoteFailure | undefined
  try {
    failure = await checkCredentials(provider, toAccountContext(account), connection)
  } catch (error) {
    if (!signal.aborted) throw error
    return { ok: false, status: 'unreachable', message: `${provider.name} did not answer in time.`, calls }
  }
  if (!failure) return { ok: true, status: 'active', message: `${provider.name} accepts the credentials.`, calls }
  return {
    ok: false,
    status: holdFor(failure) ?? 'unreachable',
    message: blotOut(failure.message, secrets),
    calls,
  }
}

/** Somebody waits for the answer. */
const CONNECT_TIMEOUT_MS = 10_000

/**
 * New credentials are tested at once: wrong ones put the account on hold before the first user is asked for. A provider
 * that does not answer, or not about the credentials, refuses no account.
 */
export async function testNewCredentials(
  dependencies: Parameters<typeof testAccount>[0],
  account: AccountRecord,
  signal: AbortSignal,
): Promise<{ account: AccountRecord; test: AccountTest }> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)])
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
