import type { CreateUserQuery } from '@muster/contracts/create-user-parameters'
import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { secretStrings, splitSecrets } from '@muster/contracts/secrets'
import { checkInput } from './field-support.ts'
import { planCreate } from './preview.ts'
import {
  RemoteFailureError,
  UnresolvedInputError,
  type AccountContext,
  type CreateInput,
  type NaturalKey,
  type Provider,
} from '../provider.ts'

const DAY_MS = 86_400_000
/** Each is looked for in every answer, in every spelling: thousands would keep a worker from all other work. */
const MOST_SECRETS = 100
/** What the provider would not get. With `isStrict` each is a reason to refuse. */
const DROPPED = new Set(['field_not_supported', 'parameter_not_supported', 'not_sent', 'ignored_by_provider'])

export interface CheckedCreate {
  problems: InputProblem[]
  warnings: Warning[]
  /** Who would be created. */
  naturalKey: NaturalKey
}

/**
 * Everything that can be said of a create before anything is sent. The one check of whatever starts or restarts an
 * operation: a create, a row, a retry of either.
 */
export function checkCreate(
  provider: Provider,
  account: AccountContext,
  input: CreateInput,
  times: Pick<CreateUserQuery, 'not_before' | 'expires_at'>,
  { isStrict, now }: { isStrict: boolean; now: number },
): CheckedCreate {
  const { problems, warnings } = checkInput(provider, input, account)
  problems.push(...checkTimes(times, now), ...checkSecrets(input))
  if (problems.length === 0) {
    try {
      warnings.push(...planCreate(provider, input, account).plan.warnings)
    } catch (error) {
      problems.push(toProblem(error))
    }
  }
  if (isStrict)
    problems.push(
      ...warnings
        .filter(({ code }) => DROPPED.has(code))
        .map(({ pointer, detail, code }) => ({ pointer: pointer ?? '', detail, code })),
    )
  return { problems, warnings, naturalKey: provider.toNaturalKey(input, account) }
}

/**
 * A name that means nothing, or (of an account that was connected before ids had a pattern) an id that cannot be sent.
 */
function toProblem(error: unknown): InputProblem {
  if (error instanceof UnresolvedInputError) return { pointer: error.pointer, code: 'not_found', detail: error.message }
  if (error instanceof RemoteFailureError) return { pointer: '', code: 'invalid_value', detail: error.message }
  throw error
}

function checkSecrets({ user, remoteQuery }: CreateInput): InputProblem[] {
  const { secrets } = splitSecrets({ user: user as JsonObject, remoteQuery })
  const count = secretStrings(secrets).length
  return count <= MOST_SECRETS
    ? []
    : [
        {
          pointer: '/remote_data',
          code: 'too_many_secrets',
          detail: `The request holds ${count} values under names of secrets (password, token, …), and ${MOST_SECRETS} at most are taken.`,
        },
      ]
}

function checkTimes(times: Pick<CreateUserQuery, 'not_before' | 'expires_at'>, now: number): InputProblem[] {
  const notBefore = times.not_before === undefined ? now : Date.parse(times.not_before)
  const problems: InputProblem[] = []
  if (notBefore - now > 90 * DAY_MS)
    problems.push({ pointer: '?not_before', code: 'too_late', detail: 'must be within 90 days' })
  if (times.expires_at === undefined) return problems
  const expiresAt = Date.parse(times.expires_at)
  if (expiresAt <= Math.max(now, notBefore))
    problems.push({ pointer: '?expires_at', code: 'too_early', detail: 'must lie in the future, and after not_before' })
  if (expiresAt - now > 120 * DAY_MS)
    problems.push({ pointer: '?expires_at', code: 'too_late', detail: 'must be within 120 days' })
  return problems
}
