import { z } from 'zod'
import { classifyByStatus, type Meaning } from '../../src/engine/classify.ts'
import { loginPointer } from '../../src/mapping/emails.ts'
import type { CreateInput, RemoteFailure, RemoteResponse } from '../../src/provider.ts'

const errorSchema = z.looseObject({ code: z.string(), message: z.string().min(1).max(1_000) })

const codes = new Map<string, Meaning>([
  ['login_taken', { code: 'user_exists', outcome: 'failed' }],
  ['bad_token', { code: 'credentials_rejected', outcome: 'held', certainty: 'final' }],
])

export const isOwnAnswer = ({ body }: RemoteResponse): boolean => errorSchema.safeParse(body).success

export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const error = errorSchema.safeParse(response.body).data
  const meaning = error && response.status >= 400 ? codes.get(error.code) : undefined
  if (!error || !meaning) return classifyByStatus(response, error?.message)
  const pointer = meaning.code === 'user_exists' && input ? { pointer: loginPointer(input) } : {}
  return { ...meaning, message: error.message, ...pointer }
}
