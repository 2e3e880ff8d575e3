import { z } from 'zod'
import { classifyByStatus } from '../engine/classify.ts'
import {
  INVALID,
  NO_ACCESS_IN_DOUBT,
  NOT_ALLOWED,
  PASSWORD_REJECTED,
  RETRYING,
  USER_EXISTS,
  type FailureRow,
} from '../engine/failure-row.ts'
import { classifyByTable } from '../engine/failure-table.ts'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { CallContext, CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { isPlaceOfAccount, userTypeOf } from './request.ts'

/** The only shape that the vendor documents: a list of sentences, without a code. */
const errorSchema = z.looseObject({ errors: z.array(z.string()).min(1) })

/** What the vendor's SDK waits when action batches are in the way. */
const BATCH_WAIT_MS = 60_000

/** As a code, since only the account tells: the place that was refused is the one of the account itself. */
const OWN_PLACE = 'own place'

/** Meraki has no codes: by status, and by the words of a refusal of the user. */
export const failures: readonly FailureRow[] = [
  { status: 403, code: OWN_PLACE, means: NO_ACCESS_IN_DOUBT },
  { status: 403, means: NOT_ALLOWED },
  { status: 404, pointer: placePointer },
  { says: /executing batches|concurrent requests/i, means: RETRYING, waitMs: BATCH_WAIT_MS },
  // "cannot be processed by Meraki": the vendor's Errors page.
  {
    says: /cannot be processed|\btry (?:again )?(?:later|in an?|shortly)\b|\btemporarily\b|\btimed? ?out\b/i,
    means: RETRYING,
  },
  // The exact sentence is not documented; these are the ways in which Meraki says it elsewhere.
  { says: /already been taken|already exists|already in use/i, means: USER_EXISTS, pointer: primaryEmailPointer },
  // Attributes as messages name them.
  { says: /\b(orgAccess|access|networks?|tags?)\b/i, means: INVALID, pointer: '/roles' },
  { says: /\bpassword\b/i, means: PASSWORD_REJECTED, pointer: '/remote_data/password' },
  {
    says: /\b(authorizations?|ssidNumber|expiresAt)\b/i,
    means: INVALID,
    pointer: '/remote_data/authorizations',
  },
  { says: /\baccountType\b/i, means: INVALID, pointer: '/remote_data/accountType' },
  { says: /\bauthenticationMethod\b/i, means: INVALID, pointer: '/remote_data/authenticationMethod' },
  { says: /\be-?mail\b/i, means: INVALID, pointer: primaryEmailPointer },
  { says: /\bname\b/i, means: INVALID, pointer: '/name' },
]

export function classifyFailure(response: RemoteResponse, input?: CreateInput, context?: CallContext): RemoteFailure {
  const message = messageOf(response, input)
  // Only a refusal of the user is read by its words.
  const isRefusal = classifyByStatus(response).code === 'provider_validation_failed'
  const codes = isPlaceOfAccount(input, context?.account) ? [OWN_PLACE] : []
  return classifyByTable(failures, response, { codes, text: isRefusal ? message : '', message }, input)
}

export const isOwnAnswer = ({ body }: RemoteResponse): boolean => errorSchema.safeParse(body).success

const isNetwork = (input: CreateInput | undefined): boolean => input !== undefined && userTypeOf(input) === 'network'

function placePointer(input: CreateInput | undefined): string | undefined {
  if (!input) return undefined
  return isNetwork(input) ? '?workspace_id' : '?organization_id'
}

function messageOf({ status, body }: RemoteResponse, input: CreateInput | undefined): string | undefined {
  const message = toPlainText(errorSchema.safeParse(body).data?.errors.join('; ') ?? '')
  if (message || status !== 404) return message || undefined
  // The body is empty or a page, mostly; the same answer means "not there" and "not for you".
  const place = isNetwork(input) ? 'network' : 'organization'
  return `Meraki does not show this ${place} to these credentials. If it or the API key is new, try again in a minute.`
}
