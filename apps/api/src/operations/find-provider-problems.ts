import { createUserQuerySchema, type CreateUserQuery } from '@muster/contracts/create-user-parameters'
import { isJsonObject } from '@muster/contracts/json'
import type { InputProblem } from '@muster/contracts/problem'
import { unifiedUserInputSchema, type UnifiedUserInput } from '@muster/contracts/unified-user'
import { checkInput } from '@muster/providers/engine/field-support'
import { providerOf } from '@muster/providers/registry'
import type { Store } from '@muster/store/store'
import type { z } from 'zod'
import { notYetKnown, type RefusedRequest } from '../http/endpoint.ts'
import { isOwn } from '../http/own-records.ts'
import { toAccountContext, toCreateInput } from './create-input.ts'

/** For a create that its schemas refused: what the provider would refuse too, by the fields that are well-formed. */
export async function findProviderProblems(
  store: Store,
  { caller, raw, problems }: RefusedRequest,
): Promise<InputProblem[]> {
  const { integrated_account_id, organization_id, workspace_id } = createUserQuerySchema.shape
  const accountId = integrated_account_id.safeParse(raw.query.integrated_account_id)
  if (!accountId.success) return []
  const account = await store.accounts.read(accountId.data)
  if (!account || !isOwn(caller, account))
    return [{ pointer: '?integrated_account_id', code: 'not_found', detail: 'There is no such integrated account.' }]
  // A body that could not be read says nothing about what is missing.
  if (!isJsonObject(raw.body)) return []
  const input = toCreateInput(
    wellFormed({ organization_id, workspace_id }, raw.query) as Pick<
      CreateUserQuery,
      'organization_id' | 'workspace_id'
    >,
    wellFormed(unifiedUserInputSchema.shape, raw.body) as UnifiedUserInput,
  )
  return notYetKnown(checkInput(providerOf(account.provider), input, toAccountContext(account)).problems, problems)
}

function wellFormed(shape: Record<string, z.ZodType>, given: Record<string, unknown>): Record<string, unknown> {
  const fields: [string, unknown][] = []
  for (const [name, schema] of Object.entries(shape)) {
    const parsed = schema.safeParse(given[name])
    if (parsed.success && parsed.data !== undefined) fields.push([name, parsed.data])
  }
  return Object.fromEntries(fields)
}
