import { z } from 'zod'
import { classifyByStatus, UNKNOWN, RATE_LIMITED } from '../engine/classify.ts'
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
const isBare = (text: string): boolean =>
  text.replace(/\b(?:403|error|forbidden|nginx(?:\/[\d.]+)?)\b|[\s:.]/gi, '') === ''

const NO_PERMISSION = /you (?:do not|don['’]?t) have permission/i
const BAD_KEY = /\bapi[- _]?(?:token|key)\b|\bunauthori[sz]ed\b|\bnot (?:authori[sz]ed|authenticated)\b/i
/**
 * What the vendor says to a second user with one username is not published: contacts say 422 and code `duplicate`, or
 * these words are expected.
 */
const TAKEN = /\balready (?:exists?|taken|in use|been taken|registered)\b|\bthere is already an?\b|\bduplicate\b/i
/** Nor is what a full account says. Either way the request is refused: these words only choose the code. */
const NO_SEAT =
  /\b(?:users?|seats?)\b.*\b(?:limit|maximum|exceed\w*|upgrade)\b|\b(?:limit|maximum|exceed\w*|upgrade)\b.*\b(?:users?|seats?)\b/i

/** Temporary failures: the vendor publishes no codes, and reports these with 400, 403 and 422. */
const TOO_MANY = /\btoo many requests\b|\brate limit/i
const PASSES =
  /resulted in an? `?5\d\d\b|\btry (?:again )?(?:later|in an?|shortly)\b|\btemporarily\b|\btimed? ?out\b|\bdeadlock\b|\block wait\b/i

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
  return isJson ? error !== undefined : status === 403 && isBare(error?.text ?? '')
}

/**
 * 403 has many meanings. Not found is handled before; here come: the key's user may not ("You do not have permission …"),
 * and a bad key, which gets a bare 403 rather than a 401. Both put the account on hold, so that nothing more is lost to
 * them. In other words it is a refusal of this one request ("Could not create …"), or an inner service's failure, of
 * which a 5xx leaves open what was done.
 */
function classifyForbidden(
  response: RemoteResponse,
  text: string,
  message: string,
  pointer: { pointer?: string },
): RemoteFailure {
  if (NO_PERMISSION.test(text)) return { code: 'permission_denied', outcome: 'held', message }
  if (isBare(text) || BAD_KEY.test(text)) {
    return {
      code: 'credentials_rejected',
      outcome: 'held',
      message: `ActiveCampaign refused the API key (403${isBare(text) ? '' : `: ${text}`}).`,
    }
  }
  if (response.isJson) return { code: 'provider_validation_failed', outcome: 'failed', message, ...pointer }
  return classifyByStatus(response, message)
}

export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const { status } = response
  const errors = readErrors(response.body)
  const text = joinTexts(errors.map((error) => error.text))
  const message = text || `ActiveCampaign answered ${status}.`
  // Only a refusal is read by its words: in anything else they are a gateway's, or no words of a refusal.
  if (status < 400 || status >= 500 || [401, 408, 429].includes(status)) return classifyByStatus(response, message)

  const located = errors
    .map((error) => ({ error, attribute: attributeOf(error) }))
    .find(({ attribute }) => attribute !== undefined)
  const attribute = located?.attribute
  const named = attribute ? pointerOf(attribute, input) : undefined
  const pointer = named ? { pointer: named } : {}

  if (errors.some((error) => saysNotFound(error.text)))
    return { code: 'provider_not_found', outcome: 'failed', message, ...pointer }
  if (errors.some(({ code }) => code === 'duplicate') || errors.some((error) => TAKEN.test(error.text))) {
    return { code: 'user_exists', outcome: 'failed', message, ...pointer }
  }
  if (TOO_MANY.test(text)) return { ...RATE_LIMITED, message }
  if (PASSES.test(text)) return { ...UNKNOWN, message }
  // "You do not have permission to add users" is not about seats, so permission comes first.
  if (!NO_PERMISSION.test(text) && response.isJson && NO_SEAT.test(text))
    return { code: 'license_limit_reached', outcome: 'failed', message }
  if (status === 403) return classifyForbidden(response, text, message, pointer)
  if (status === 404 || status === 410) {
    const hint =
      response.isJson && text
        ? ''
        : " Check the account's base_url: it is the API's address under Settings > Developer, not the one people log in at."
    return { code: 'provider_not_found', outcome: 'failed', message: message + hint, ...pointer }
  }
  if (attribute === 'password') return { code: 'password_rejected', outcome: 'failed', message, pointer: '/password' }
  return { ...classifyByStatus(response, message), ...pointer }
}
