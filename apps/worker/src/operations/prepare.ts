import { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut, credentialSecrets, secretStrings } from '@muster/contracts/secrets'
import type { Failure } from '@muster/domain/outcome'
import { baseUrlOf } from '@muster/providers/engine/base-url'
import { connect } from '@muster/providers/engine/connection'
import type { CreateContext } from '@muster/providers/engine/find'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import { createTokenStore } from '@muster/store/accounts/token-store'
import { hashNaturalKey } from '@muster/store/crypto/hash-key'
import type { Claim } from './claim.ts'
import type { RunningAttempt } from './running-attempt.ts'
import type { Run } from './run.ts'

/** An attempt that has begun, with what it takes to talk to the provider. */
export interface PreparedAttempt {
  attempt: RunningAttempt
  account: AccountRecord
  /** The provider, the account and the user in the words of the adapter, and the connection. */
  remote: CreateContext
  secrets: KnownSecrets
}

export function prepare(
  run: Run,
  { account, input, inputSecrets, credentials }: Claim,
  attempt: RunningAttempt,
): PreparedAttempt {
  const provider = providerOf(account.provider)
  const secrets = new KnownSecrets([...secretStrings(inputSecrets), ...credentialSecrets(credentials)])
  const accountContext = { config: account.config, credentialType: credentials.type }
  const connection = connect({
    provider,
    account: accountContext,
    credentials,
    secrets,
    http: run.httpFor({ tenantId: account.tenantId, laneId: account.id }),
    allowedHosts: run.allowedHosts,
    tokens: createTokenStore(run.store, account),
    waitForPermit: (signal) => attempt.waitForPermit(signal),
    signal: run.context.signal,
    now: run.clock.now,
    onCall: (call) => attempt.noteCall(call),
  })
  return { attempt, account, remote: { provider, account: accountContext, input, connection }, secrets }
}

/**
 * The account as it is now would create another user, or the same one elsewhere, than the accepted operation may have
 * done. Undefined: it would not.
 */
export async function findConfigChange(
  { store }: Run,
  { attempt, account, remote }: PreparedAttempt,
): Promise<Failure | undefined> {
  const { head, state } = attempt.record
  const { provider } = remote
  const naturalKey = provider.toNaturalKey(remote.input, remote.account)
  const sentTo = state.unknown?.sentTo
  const isOther = hashNaturalKey(await store.hasher(), account.id, naturalKey) !== head.naturalKeyHash
  if (!isOther && (sentTo === undefined || sentTo === baseUrlOf(provider, account.config))) return undefined
  const field = isOther ? naturalKey.field : 'base_url'
  const cause = `The account's config was changed after the operation was accepted, so that ${field} would be another`
  return state.unknown
    ? {
        outcome: 'failed',
        code: 'outcome_unknown',
        message: `${cause}: an earlier create cannot be looked up.`,
        origin: 'muster',
      }
    : { outcome: 'failed', code: 'validation_failed', message: `${cause}: nothing was sent.`, origin: 'muster' }
}

/** The account's record is not sealed, and is about no person. */
export function withoutPerson({ remote, secrets }: PreparedAttempt, text: string): string {
  const { provider, account, input } = remote
  const { username, emails } = input.user
  const naturalKey = provider.toNaturalKey(input, account)
  const logins = new KnownSecrets(secretStrings([username ?? null, emails ?? null, naturalKey.sent]))
  return blotOut(blotOut(text, secrets), logins)
}
