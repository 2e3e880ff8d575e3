import type { CallPermit } from '@muster/contracts/http-client'
import { isCooling } from '@muster/domain/account/cooldown'
import { operationIdOf } from '@muster/domain/operation/record'
import type { JobOutcome } from '@muster/domain/outcome'
import type { RunContext } from '@muster/lanes/lane'
import { StaleVersionError } from '@muster/store/operations/operations'
import type { RunSubjectJob } from '../lane-source.ts'
import { AccountBackoff } from './account-backoff.ts'
import { AccountRefusals } from './account-refusals.ts'
import { claim, type Claim } from './claim.ts'
import { Probes } from './cooldown.ts'
import { LookUpCache } from './look-up-cache.ts'
import { findConfigChange, prepare } from './prepare.ts'
import { RunningAttempt } from './running-attempt.ts'
import { isHandedBack, send } from './send.ts'
import { CONTESTED_MS, SOON_MS, type Run, type RunOperationDependencies } from './run.ts'
import { settle } from './settle.ts'

/** One job of a lane: one attempt of its operation, and the record of what came of it. */
export function createRunOperation(dependencies: RunOperationDependencies): RunSubjectJob {
  const memory = {
    backoff: new AccountBackoff(),
    refusals: new AccountRefusals(),
    lookUps: new LookUpCache(),
    probes: new Probes(),
  }
  return async (accountId, jobId, context) => {
    const log = dependencies.log.child({ account_id: accountId, operation_id: operationIdOf(jobId) })
    try {
      return await runJob({ ...dependencies, ...memory, context, log }, accountId, jobId)
    } catch (error) {
      if (!(error instanceof StaleVersionError)) throw error
      // Canceled just now, or taken over by another worker: the record's latest version decides.
      dependencies.metrics.fenced.inc()
      log.warn('the operation was written by another process meanwhile')
      return { outcome: 'retrying', at: Date.now() + CONTESTED_MS }
    }
  }
}

async function runJob(run: Run, accountId: string, jobId: string): Promise<JobOutcome> {
  const { context } = run
  const claimed = await claim(run, accountId, jobId)
  if ('outcome' in claimed) return claimed
  if (context.expectedWaitMs() <= SOON_MS) return runAlone(run, claimed)
  // Before it counts as running: this may take a day, in which everything can change, and nothing is sent.
  const permit = await context.waitForPermit(context.signal).catch((error: unknown) => {
    if (isHandedBack(context, error)) return undefined
    throw error
  })
  if (!permit) return { outcome: 'interrupted' }
  try {
    const latest = await claim(run, accountId, jobId)
    if ('outcome' in latest) return latest
    return await runAlone({ ...run, context: { ...context, waitForPermit: firstOf(permit, context) } }, latest)
  } finally {
    permit.unused()
  }
}

/** Of an account that cools down, one operation at a time probes whether the provider is back. */
function runAlone(run: Run, claimed: Claim): Promise<JobOutcome> {
  const { id, cooldown } = claimed.account
  const probe = (): Promise<JobOutcome> => runAttempt(run, claimed)
  return isCooling(cooldown, run.clock.now()) ? run.probes.alone(id, probe) : probe()
}

async function runAttempt(run: Run, claimed: Claim): Promise<JobOutcome> {
  const attempt = await RunningAttempt.start(run, claimed.record)
  const prepared = prepare(run, claimed, attempt)
  const outcome = (await findConfigChange(run, prepared)) ?? (await send(run, prepared))
  return settle(run, prepared, outcome)
}

/** Gives the permit that is there already before it waits for others. */
function firstOf(permit: CallPermit, context: RunContext): RunContext['waitForPermit'] {
  let first: CallPermit | undefined = permit
  return async (signal) => {
    const present = first
    first = undefined
    if (!present) return context.waitForPermit(signal)
    context.throwIfStale()
    return present
  }
}
