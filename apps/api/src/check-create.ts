import { createUserQuerySchema, type CreateUserQuery } from '@muster/contracts/create-user-parameters'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { unifiedUserInputSchema, type UnifiedUserInput } from '@muster/contracts/unified-user'
import { checkInput } from '@muster/providers/field-support'
import { planCreate } from '@muster/providers/preview'
import { UnresolvedInputError, type CreateInput } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/store/accounts'
import type { Store } from '@muster/store/store'
import { toAccountContext, toCreateInput } from './create-input.ts'
import { notYetKnown, type RefusedRequest } from './http/endpoint.ts'

const DAY_MS = 86_400_000
/** What the provider would not get. With `handling=strict` each is a reason to refuse. */
const DROPPED = new Set(['field_not_supported', 'parameter_not_supported', 'not_sent', 'ignored_by_provider'])

export interface CheckedCreate {
  problems: InputProblem[]
  warnings: Warning[]
}

/** Everything that can be said of a create before anything is sent. */
export function checkCreate(
  account: AccountRecord,
  input: CreateInput,
  query: CreateUserQuery,
  isStrict: boolean,
  now: number,
): CheckedCreate {
  const provider = providerOf(account.provider)
  const context = toAccountContext(account)
  const { problems, warnings } = checkInput(provider, input, context)
  problems.push(...checkTimes(query, now))
  if (problems.length === 0) {
    try {
      warnings.push(...planCreate(provider, input, context).plan.warnings)
    } catch (error) {
      if (!(error instanceof UnresolvedInputError)) throw error
      problems.push({ pointer: error.pointer, code: 'not_found', detail: error.message })
    }
  }
  if (isStrict)
    problems.push(
      ...warnings
        .filter(({ code }) => DROPPED.has(code))
        .map(({ pointer, detail, code }) => ({ pointer: pointer ?? '', detail, code })),
    )
  return { problems, warnings }
}

function checkTimes(query: Pick<CreateUserQuery, 'not_before' | 'expires_at'>, now: number): InputProblem[] {
  const notBefore = query.not_before === undefined ? now : Date.parse(query.not_before)
  const problems: InputProblem[] = []
  if (notBefore - now > 90 * DAY_MS)
    problems.push({ pointer: '?not_before', code: 'too_late', detail: 'must be within 90 days' })
  if (query.expires_at === undefined) return problems
  const expiresAt = Date.parse(query.expires_at)
  if (expiresAt <= Math.max(now, notBefore))
    problems.push({ pointer: '?expires_at', code: 'too_early', detail: 'must lie in the future, and after not_before' })
  if (expiresAt - now > 120 * DAY_MS)
    problems.push({ pointer: '?expires_at', code: 'too_late', detail: 'must be within 120 days' })
  return problems
}

/** For a request that its schemas refused: the provider's own needs, judged on the fields that are well-formed. */
export async function findProviderProblems(
  store: Store,
  { tenantId, raw, problems }: RefusedRequest,
): Promise<InputProblem[]> {
  const accountId = createUserQuerySchema.shape.integrated_account_id.safeParse(raw.query.integrated_account_id)
  if (!accountId.success) return []
  const account = await store.accounts.read(accountId.data)
  if (!account || account.tenantId !== tenantId)
    return [{ pointer: '?integrated_account_id', code: 'not_found', detail: 'There is no such integrated account.' }]
  // Of a body that could not be looked at, nothing can be said to be missing.
  if (typeof raw.body !== 'object' || raw.body === null || Array.isArray(raw.body)) return []
  const query = createUserQuerySchema.pick({ organization_id: true, workspace_id: true })
  const input = toCreateInput(
    wellFormed(query.shape, raw.query),
    wellFormed(unifiedUserInputSchema.shape, raw.body as Record<string, unknown>) as UnifiedUserInput,
  )
  return notYetKnown(checkInput(providerOf(account.provider), input, toAccountContext(account)).problems, problems)
}

function wellFormed(
  shape: Record<string, { safeParse(value: unknown): { success: boolean; data?: unknown } }>,
  given: Record<string, unknown>,
): Record<string, never> {
  return Object.fromEntries(
    Object.entries(shape).flatMap(([name, schema]) => {
      const parsed = schema.safeParse(given[name])
      return parsed.success && parsed.data !== undefined ? [[name, parsed.data as never]] : []
    }),
  )
}
