import type { CallContext, CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { classifyByStatus } from './classify.ts'
import { NAMED, type FailureRow } from './failure-row.ts'

/** What a vendor's answer says, as its table asks for it. */
export interface Said {
  codes?: readonly string[]
  text?: string
  fields?: readonly string[]
  purpose?: CallContext['purpose'] | undefined
  /** For people; absent: by status. */
  message?: string | undefined
  /** Of the unified field that the answer names. */
  pointer?: string | undefined
}

const has = <T>(wanted: T | readonly T[], values: readonly T[]): boolean =>
  [wanted].flat().some((one) => values.includes(one as T))

export function findRow(rows: readonly FailureRow[], status: number, said: Said): FailureRow | undefined {
  const { codes = [], text = '', fields = [], purpose } = said
  return rows.find(
    (row) =>
      (row.status === undefined || has(row.status, [status])) &&
      (row.code === undefined || has(row.code, codes)) &&
      (row.says === undefined || row.says.test(text)) &&
      (row.field === undefined || fields.some((field) => row.field?.test(field))) &&
      (row.purpose === undefined || row.purpose === purpose),
  )
}

/** What the first row that fits makes of an answer; what its status means where none does. */
export function classifyByTable(
  rows: readonly FailureRow[],
  response: RemoteResponse,
  said: Said,
  input?: CreateInput,
): RemoteFailure {
  const byStatus = classifyByStatus(response, said.message)
  const row = findRow(rows, response.status, said)
  if (!row) return byStatus
  const failure = row.means ? { ...row.means, message: said.message ?? byStatus.message } : byStatus
  const pointer = toPointer(row, said, input)
  return {
    ...failure,
    ...(row.hint && { message: `${failure.message} ${row.hint}` }),
    ...(pointer !== undefined && { pointer }),
    ...(row.waitMs !== undefined && { retryAfterMs: row.waitMs }),
  }
}

function toPointer({ pointer }: FailureRow, said: Said, input: CreateInput | undefined): string | undefined {
  if (pointer === NAMED) return said.pointer
  return typeof pointer === 'function' ? pointer(input) : pointer
}
