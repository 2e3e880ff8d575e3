import { createUserQuerySchema } from '@muster/contracts/create-user-parameters'
import type { InputProblem } from '@muster/contracts/problem'
import { unifiedUserInputSchema, type UnifiedUserInput } from '@muster/contracts/unified-user'
import { checkInput } from '@muster/providers/engine/field-support'
import { providerOf } from '@muster/providers/registry'
import type { Store } from '@muster/store/store'
import { toAccountContext, toCreateInput } from '../operations/create-input.ts'
import { notYetKnown, type RefusedRequest } from '../http/endpoint.ts'
import { isOwn } from '../http/own-records.ts'

/** For a request that its schemas refused: the provider's own needs, judged on the fields that are well-formed. */
export async function findProviderProblems(
  store: Store,
  { caller, raw, problems }: RefusedRequest,
): Promise<InputProblem[]> {
  const accountId = createUserQuerySchema.shape.integrated_account_id.safeParse(raw.query.integrated_account_id)
  if (!accountId.success) return []
  const account = await store.accounts.read(accountId.data)
  if (!account || !isOwn(caller, account))
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
