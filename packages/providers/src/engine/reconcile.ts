import type { Failure, Outcome, UnknownOutcome } from '@muster/domain/outcome'
import { find, findHolder, type CreateContext } from './find.ts'
import { ownershipOf } from './same-user.ts'
import type { FoundUser, RemoteFailure, RemoteResponse } from '../provider.ts'

export interface ReconcileOptions extends CreateContext {
  onConflict: 'fail' | 'adopt'
  unknown: UnknownOutcome | null
  /** Unix milliseconds by the clock that all workers share. */
  now?(): number
}

/** The answer is kept where the operation ends with it. */
export function toFailure(failure: RemoteFailure, response?: RemoteResponse): Failure {
  if (failure.outcome !== 'failed' || !response) return failure
  return { ...failure, response: { status: response.status, body: response.body } }
}

/**
 * After an unknown outcome. Undefined: the user does not exist and will not turn up any more, so the create may be sent
 * again.
 */
export async function reconcile(options: ReconcileOptions, unknown: UnknownOutcome): Promise<Outcome | undefined> {
  const finding = await find(options)
  if (finding.kind === 'found') return toOutcome(options, finding.user, unknown)
  if (finding.kind === 'failed') {
    const failure = toFailure(finding.failure, finding.response)
    if (failure.outcome !== 'failed') return failure
    const message = `The create may have happened, and the look-up that would tell is refused: ${failure.message}`
    return { ...failure, code: 'outcome_unknown', message }
  }
  const elapsed = (options.now ?? Date.now)() - unknown.lastSentAt
  const next = options.provider.lookUpAfterMs.find((delay) => delay > elapsed)
  return next === undefined ? undefined : { outcome: 'reconciling', at: unknown.lastSentAt + next }
}

/** The user that was found after an unknown outcome: ours, or in the way. */
function toOutcome(options: ReconcileOptions, found: FoundUser, unknown: UnknownOutcome): Outcome {
  const { provider, account, input, connection } = options
  const { remoteId, body } = found
  const owner = found.isOther
    ? 'theirs'
    : ownershipOf(
        input,
        provider.toUser(body, input, account),
        found.createdAt,
        unknown.firstSentAt,
        connection.clockOffsetMs(),
      )
  if (owner === 'ours') return { outcome: 'succeeded', how: 'created', remoteId, body, warnings: [] }
  if (owner === 'unclear') {
    const detail = `The answer to the create was lost. The look-up found this user, with the same names; ${provider.name} does not tell when it was created.`
    const warnings = [{ code: 'ownership_unclear', pointer: null, detail } as const]
    return { outcome: 'succeeded', how: 'adopted', remoteId, body, warnings }
  }
  return toConflict(options, found, {
    code: 'user_exists',
    outcome: 'failed',
    message: found.isOther
      ? 'This login, or another key that must be unique, belongs to another user.'
      : 'A user with this login was there before.',
  })
}

/** The provider refused the create because the user exists already. */
export async function findExisting(
  options: ReconcileOptions,
  refused: RemoteFailure,
  response: RemoteResponse,
): Promise<Outcome> {
  const failure = toFailure({ ...refused, outcome: 'failed' }, response)
  const finding = await findHolder(options)
  if (finding.kind === 'found')
    return options.unknown
      ? toOutcome(options, finding.user, options.unknown)
      : toConflict(options, finding.user, failure)
  // Whether the user is there, is ours, or is to be adopted, only the look-up can tell: worth another attempt, since a
  // create is refused again for as long as the login is taken.
  if (finding.kind === 'failed' && finding.failure.outcome !== 'failed') return finding.failure
  if (options.unknown) {
    const message = `An earlier create may have happened, and the look-up does not show who has the login: ${failure.message}`
    return { ...failure, code: 'outcome_unknown', message }
  }
  // Taken by someone whom this account cannot see (Salesforce and Files.com names are global), or the look-up is
  // refused: the refusal stands.
  const unseen = options.onConflict === 'adopt' ? ' It could not be adopted, since the look-up does not show it.' : ''
  return { ...failure, message: failure.message + unseen }
}

/** Another user has the login: adopted where that was asked for, else in the way. */
function toConflict({ onConflict }: ReconcileOptions, found: FoundUser, failure: Failure): Outcome {
  const { remoteId, body } = found
  if (onConflict === 'adopt' && !found.isOther)
    return { outcome: 'succeeded', how: 'adopted', remoteId, body, warnings: [] }
  // Adoption was asked for, of the user with this login and no one else.
  const notAdopted = onConflict === 'adopt' ? ' That is another user, so it was not adopted.' : ''
  return { ...failure, message: failure.message + notAdopted, remoteId }
}
