import { z } from 'zod'
import { classifyByStatus } from '../engine/classify.ts'
import {
  CREDENTIALS_IN_DOUBT,
  INVALID,
  NAMED,
  NO_ACCESS_IN_DOUBT,
  NO_SEAT,
  NOT_FOUND,
  PASSWORD_REJECTED,
  RATE_LIMITED,
  UNKNOWN,
  USER_EXISTS,
  type FailureRow,
} from '../engine/failure-row.ts'
import { classifyByTable, type Said } from '../engine/failure-table.ts'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { looseText } from '../engine/loose-schema.ts'
import { joinTexts, toPlainText } from '../mapping/plain-text.ts'
import type { CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'

interface VendorError {
  text: string
  code?: string
  /** The last part of the error's pointer, such as `email` of `/data/attributes/email`. */
  attribute?: string
}

const errorSchema = z.looseObject({
  title: looseText,
  detail: looseText,
  code: looseText,
  // The specification has both: {"pointer": "/data/…"} and {"type": "pointer", "value": "/data/…"}.
  source: z
    .union([
      z.looseObject({ pointer: z.string() }),
      z.looseObject({ value: z.string() }).transform(({ value }) => ({ pointer: value })),
    ])
    .nullish()
    .catch(null),
})

function readError(error: unknown): VendorError | undefined {
  if (typeof error === 'string') return { text: toPlainText(error) }
  const parsed = errorSchema.safeParse(error)
  if (!parsed.success) return undefined
  const { title, detail, code, source } = parsed.data
  const attribute = source?.pointer.split('/').pop()
  return {
    text: toPlainText([title, detail].filter(Boolean).join(': ')),
    ...(code ? { code } : {}),
    ...(attribute ? { attribute } : {}),
  }
}

/**
 * The four shapes of the vendor's specification: `errors` as objects, as strings, as one string; or `message` alone.
 */
function readErrors(body: unknown): VendorError[] {
  if (typeof body === 'string') return body.trim() ? [{ text: toPlainText(body) }] : []
  const parsed = z.looseObject({ errors: z.unknown(), message: z.unknown() }).partial().safeParse(body)
  if (!parsed.success) return []
  const { errors, message } = parsed.data
  const read = [errors]
    .flat()
    .map(readError)
    .filter((error) => error !== undefined)
  return [...read, ...(typeof message === 'string' ? [{ text: toPlainText(message) }] : [])]
}

/** The vendor's attribute, in lower case, and the unified field it is made from. */
const fields: Readonly<Record<string, 'username' | 'emails' | 'password' | 'group' | 'first_name' | 'last_name'>> = {
  username: 'username',
  email: 'emails',
  password: 'password',
  group: 'group',
  firstname: 'first_name',
  lastname: 'last_name',
}

function pointerOf(attribute: string, input: CreateInput | undefined): string | undefined {
  const field = Object.hasOwn(fields, attribute) ? fields[attribute] : undefined
  if (field === 'emails') return primaryEmailPointer(input)
  if (field === 'first_name' || field === 'last_name') return input?.user[field] ? `/${field}` : '/name'
  return field && `/${field}`
}

/** The attribute an error is about: the one its pointer names, else the first that its words name. */
function attributeOf({ attribute, text }: VendorError): string | undefined {
  const named = attribute?.toLowerCase()
  if (named && Object.hasOwn(fields, named)) return named
  return /\b(username|email|password|group|first ?name|last ?name)\b/i.exec(text)?.[1]?.toLowerCase().replace(' ', '')
}

/** Nothing but the status in words, as a bare "Forbidden" or the page of a web server. */
const BARE = /^(?:\b(?:403|error|forbidden|nginx(?:\/[\d.]+)?)\b|[\s:.])*$/i
/** As a code: the answer is JSON, so the words are the vendor's. */
const OWN_WORDS = 'own words'

/**
 * By words and by the one code that is known: the vendor publishes none, and reports temporary failures with 400, 403
 * and 422. 403 has many meanings besides. Of those of a refused key or user the account is put on hold, so that nothing
 * more is lost to them.
 */
export const failures: readonly FailureRow[] = [
  { says: /(?:^| — )no result found/i, means: NOT_FOUND, pointer: NAMED },
  // What the vendor says to a second user with one username is not published: contacts say 422 and code `duplicate`, or
  // these words are expected.
  { code: 'duplicate', means: USER_EXISTS, pointer: NAMED },
  {
    says: /\balready (?:exists?|taken|in use|been taken|registered)\b|\bthere is already an?\b|\bduplicate\b/i,
    means: USER_EXISTS,
    pointer: NAMED,
  },
  { says: /\btoo many requests\b|\brate limit/i, means: RATE_LIMITED },
  // Of an inner service's failure, a 5xx leaves open what was done.
  {
    says: /resulted in an? `?5\d\d\b|\btry (?:again )?(?:later|in an?|shortly)\b|\btemporarily\b|\btimed? ?out\b|\bdeadlock\b|\block wait\b/i,
    means: UNKNOWN,
  },
  { status: 403, says: /you (?:do not|don['’]?t) have permission/i, means: NO_ACCESS_IN_DOUBT },
  // Nor is it published what a full account says. Either way the request is refused: these words only choose the code.
  // "You do not have permission to add users" is not about seats.
  {
    code: OWN_WORDS,
    says: /^(?!.*you (?:do not|don['’]?t) have permission).*(?:\b(?:users?|seats?)\b.*\b(?:limit|maximum|exceed\w*|upgrade)\b|\b(?:limit|maximum|exceed\w*|upgrade)\b.*\b(?:users?|seats?)\b)/i,
    means: NO_SEAT,
  },
  // A bad key gets a bare 403 rather than a 401.
  { status: 403, says: BARE, means: CREDENTIALS_IN_DOUBT },
  {
    status: 403,
    says: /\bapi[- _]?(?:token|key)\b|\bunauthori[sz]ed\b|\bnot (?:authori[sz]ed|authenticated)\b/i,
    means: CREDENTIALS_IN_DOUBT,
  },
  // In other words it is a refusal of this one request ("Could not create …").
  { status: 403, code: OWN_WORDS, means: INVALID, pointer: NAMED },
  { status: 403 },
  { status: [404, 410], code: OWN_WORDS, says: /./, pointer: NAMED },
  {
    status: [404, 410],
    pointer: NAMED,
    hint: "Check the account's base_url: it is the API's address under Settings > Developer, not the one people log in at.",
  },
  { field: /^password$/, means: PASSWORD_REJECTED, pointer: '/password' },
  { pointer: NAMED },
]

const saysNotFound = (text: string): boolean => /^no result found/i.test(text)

/**
 * For users no status is declared. Elsewhere the vendor says "No Result found for …" with 404, 403, 400 or 422.
 * A 404 page of some gateway says nothing about a user, and must not lead to a second create.
 */
export function isAbsent({ status, body, isJson }: RemoteResponse): boolean {
  if (status === 404 && body === '') return true
  return isJson && status >= 400 && status < 500 && readErrors(body).some(({ text }) => saysNotFound(text))
}

/** A bare 403 is how the vendor refuses a key. */
export function isOwnAnswer({ status, body, isJson }: RemoteResponse): boolean {
  const [error] = readErrors(body)
  return isJson ? error !== undefined : status === 403 && BARE.test(error?.text ?? '')
}

function readAnswer(
  { status, isJson }: RemoteResponse,
  errors: readonly VendorError[],
  input: CreateInput | undefined,
): Said {
  const text = joinTexts(errors.map((error) => error.text))
  const attribute = errors.map(attributeOf).find((each) => each !== undefined)
  return {
    codes: [...errors.flatMap(({ code }) => code ?? []), ...(isJson ? [OWN_WORDS] : [])],
    text,
    fields: attribute === undefined ? [] : [attribute],
    message: text || `ActiveCampaign answered ${status}.`,
    pointer: attribute && pointerOf(attribute, input),
  }
}

export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const { status } = response
  const said = readAnswer(response, readErrors(response.body), input)
  // Only a refusal is read by its words: in anything else they are a gateway's, or no words of a refusal.
  if (status < 400 || status >= 500 || [401, 408, 429].includes(status)) return classifyByStatus(response, said.message)
  const failure = classifyByTable(failures, response, said, input)
  if (failure.code !== 'credentials_rejected') return failure
  const words = BARE.test(said.text ?? '') ? '' : `: ${said.text}`
  return { ...failure, message: `ActiveCampaign refused the API key (403${words}).` }
}
