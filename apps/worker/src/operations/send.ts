import type { Failure, Outcome } from '@muster/domain/outcome'
import { CoolingDownError } from '@muster/lanes/call-pacer'
import type { RunContext } from '@muster/lanes/lane'
import { attemptCreate } from '@muster/providers/engine/attempt'
import { baseUrlOf } from '@muster/providers/engine/base-url'
import { runLookUp } from '@muster/providers/engine/find'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import { StaleVersionError } from '@muster/store/operations/operations'
import type { PreparedAttempt } from './prepare.ts'
import type { RunningAttempt } from './running-attempt.ts'
import type { Run } from './run.ts'

/**
 * Looks first where a create may have happened, then creates at most once. @throws StaleVersionError, UnreadableError
 */
export async function send(run: Run, { attempt, account, remote }: PreparedAttempt): Promise<Outcome> {
  const { head, state } = attempt.record
  // By the account as it is now: the intent says where the create went.
  const baseUrl = baseUrlOf(remote.provider, account.config)
  try {
    return await attemptCreate({
      ...remote,
      onConflict: head.onConflict,
      unknown: state.unknown,
      expiresAt: state.expiresAt,
      now: run.clock.now,
      lookUp: (lookUp) => run.lookUps.get(account.id, lookUp, () => runLookUp(remote, lookUp)),
      recordIntent: (warnings) => attempt.recordIntent(warnings, baseUrl),
      withdrawIntent: () => attempt.withdrawIntent(),
    })
  } catch (error) {
    return explain(run, attempt, error)
  }
}

/** What an error of ours means for the operation: whether the create left decides. */
async function explain({ clock, context, log }: Run, attempt: RunningAttempt, error: unknown): Promise<Outcome> {
  if (error instanceof StaleVersionError) throw error
  const at = clock.now()
  const { mayBeExecuted } = attempt
  // Of credentials that were replaced meanwhile; a create that was sent is looked up first, as after any other error.
  if (error instanceof UnreadableError && !mayBeExecuted) {
    await attempt.finish({ outcome: 'interrupted', at })
    throw error
  }
  if (isHandedBack(context, error))
    // Before the create was on its way; or while a call after the create waited for its permit.
    return mayBeExecuted ? { ...CUT_OFF, at } : { outcome: 'interrupted', at }
  log.error({ err: error }, 'an attempt ended in an error of our own')
  return attempt.isIntended ? { ...OWN_ERROR, outcome: 'unknown', at: at + 1_000 } : OWN_ERROR
}

/**
 * The worker stops, the lane is another's, or it cools down: nothing came of it, and the next owner or time decides.
 */
export const isHandedBack = (context: RunContext, error: unknown): boolean =>
  context.signal.aborted || error instanceof CoolingDownError

const CUT_OFF: Failure = {
  outcome: 'unknown',
  code: 'outcome_unknown',
  message: 'The attempt was cut off after its create was sent.',
  origin: 'muster',
}
const OWN_ERROR: Failure = {
  outcome: 'retrying',
  code: 'internal',
  message: 'An error inside Muster; see its log.',
  origin: 'muster',
}
