import { z } from 'zod'
import { CREDENTIALS_REJECTED, USER_EXISTS, type FailureRow } from '../../src/engine/failure-row.ts'
import { classifyByTable } from '../../src/engine/failure-table.ts'
import { loginPointer } from '../../src/mapping/emails.ts'
import type { CreateInput, RemoteFailure, RemoteResponse } from '../../src/provider.ts'

const errorSchema = z.looseObject({ code: z.string(), message: z.string().min(1).max(1_000) })

export const failures: readonly FailureRow[] = [
  { code: 'login_taken', means: USER_EXISTS, pointer: (input) => input && loginPointer(input) },
  { code: 'bad_token', means: CREDENTIALS_REJECTED },
]

export const isOwnAnswer = ({ body }: RemoteResponse): boolean => errorSchema.safeParse(body).success

export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const error = errorSchema.safeParse(response.body).data
  const codes = error && response.status >= 400 ? [error.code] : []
  return classifyByTable(failures, response, { codes, message: error?.message }, input)
}
