import { blotOut } from '@muster/contracts/secrets'
import { planCooldown } from '@muster/domain/account/cooldown'
import type { OperationState } from '@muster/domain/operation/record'
import { isFinished } from '@muster/domain/operation/state'
import type { Failure, JobOutcome, Outcome, Succeeded } from '@muster/domain/outcome'
import { confirmRefusal, type Confirmation } from './account-refusals.ts'
import { noteCooldown } from './cooldown.ts'
import { withoutPerson, type PreparedAttempt } from './prepare.ts'
import { sanitizeFailure } from './sanitize-failure.ts'
import { CONTESTED_MS, type Run } from './run.ts'
import { toStoredResult } from './stored-result.ts'

/** Records the outcome of the attempt and reports it to the lane. */
export async function settle(run: Run, prepared: PreparedAttempt, outcome: Outcome): Promise<JobOutcome> {
  const { attempt, account } = prepared
  // What is Muster's own doing says nothing of the provider.
  if ('origin' in outcome && outcome.origin === 'muster') return toJobOutcome(run, await attempt.finish(outcome))
  const cooldownMs = run.backoff.after(account.id, outcome)
  switch (outcome.outcome) {
    case 'succeeded':
      return settleSuccess(run, prepared, outcome)
    case 'failed':
      return settleFailure(run, prepared, outcome)
    case 'held':
      return settleRefusal(run, prepared, outcome)
    case 'rate_limited':
    case 'retrying':
    case 'unknown':
      return settleWait(run, prepared, outcome, cooldownMs)
    case 'interrupted':
      await attempt.finish(outcome)
      return { outcome: 'interrupted' }
    case 'reconciling':
    case 'expired':
      return toJobOutcome(run, await attempt.finish(outcome))
  }
}

function toJobOutcome({ clock }: Run, state: OperationState, cooldownMs = 0): JobOutcome {
  if (isFinished(state)) return { outcome: 'done' }
  const at = clock.toLocal(state.nextAttemptAt ?? clock.now())
  return { outcome: 'retrying', at, ...(cooldownMs > 0 ? { cooldownMs } : {}) }
}

async function settleSuccess(
  { store, refusals }: Run,
  { attempt, account, remote, secrets }: PreparedAttempt,
  succeeded: Succeeded,
): Promise<JobOutcome> {
  refusals.answered(account.id)
  const { result, warnings } = toStoredResult(remote, succeeded, secrets)
  const remoteId = blotOut(succeeded.remoteId, secrets)
  await attempt.finish({ ...succeeded, remoteId, warnings: [...succeeded.warnings, ...warnings] }, result)
  await noteCooldown(store.accounts, account, null)
  return { outcome: 'done' }
}

async function settleFailure(
  { store, refusals, lookUps }: Run,
  { attempt, account, secrets }: PreparedAttempt,
  failure: Failure,
): Promise<JobOutcome> {
  refusals.answered(account.id)
  if (failure.code === 'provider_not_found') lookUps.forget(account.id)
  await noteCooldown(store.accounts, account, null)
  await attempt.finish(sanitizeFailure(failure, secrets))
  return { outcome: 'done' }
}

/** Worth another attempt: by the retry policy, or when the provider allows it. */
async function settleWait(
  run: Run,
  prepared: PreparedAttempt,
  failure: Failure,
  cooldownMs: number,
): Promise<JobOutcome> {
  const { attempt, account, remote, secrets } = prepared
  const now = run.clock.now()
  const end = sanitizeFailure(failure, secrets)
  if (end.outcome === 'unknown') end.at = now + (remote.provider.lookUpAfterMs[0] ?? 0)
  if (cooldownMs === 0) return toJobOutcome(run, await attempt.finish(end))
  const reason = withoutPerson(prepared, end.message)
  const plan = planCooldown(account.cooldown, { forMs: cooldownMs, reason }, now)
  if (end.outcome === 'rate_limited') end.at = now + plan.laneMs
  // Before anything is waited for, or other calls would leave meanwhile.
  run.context.coolDown(plan.laneMs)
  const state = await attempt.finish(end)
  await noteCooldown(run.store.accounts, account, plan.cooldown)
  return end.outcome === 'rate_limited'
    ? { outcome: 'rate_limited', cooldownMs: plan.laneMs }
    : toJobOutcome(run, state, plan.laneMs)
}

/** One refusal is not believed for good: until it is confirmed, the lane cools down and no attempt is used up. */
async function settleRefusal(run: Run, prepared: PreparedAttempt, failure: Failure): Promise<JobOutcome> {
  const { store, clock, refusals } = run
  const { attempt, account, remote, secrets } = prepared
  const refused = sanitizeFailure(failure, secrets)
  await noteCooldown(store.accounts, account, null)
  // Another call of the same moment was refused first.
  if ((await store.accounts.read(account.id))?.status !== 'active') {
    await attempt.finish(refused)
    return { outcome: 'held' }
  }
  const { rounds, cooldownMs } = refusals.refused(account.id, clock.now())
  const confirmed = await refusals.confirm(account.id, () => confirmRefusal({ ...remote, failure, rounds }))
  if (confirmed) return holdAccount(run, prepared, refused, confirmed)
  const doubted: Failure = { ...refused, outcome: 'retrying', at: clock.now() + cooldownMs }
  return toJobOutcome(run, await attempt.finish(doubted), cooldownMs)
}

async function holdAccount(
  { store, clock, refusals, metrics, log }: Run,
  prepared: PreparedAttempt,
  refused: Failure,
  { status, reason }: Confirmation,
): Promise<JobOutcome> {
  const { attempt, account } = prepared
  const { id, provider, credentialsVersion } = account
  const held = await store.accounts.hold(id, status, withoutPerson(prepared, reason), credentialsVersion, clock.now())
  refusals.answered(id)
  await attempt.finish(refused)
  // Its credentials were replaced meanwhile.
  if (held?.status === 'active') return { outcome: 'retrying', at: Date.now() + CONTESTED_MS }
  metrics.held.inc({ provider, status })
  log.warn({ provider, status }, 'the account went on hold')
  return { outcome: 'held' }
}
