import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import type { RateLimitUsage } from './rate-limit.ts'
import { rateLimitRuleSchema } from './rate-limit.ts'

export type Headers = Readonly<Record<string, string>>
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [key: string]: Json | undefined }

/** For samples: what a body has under a name, if anything. */
export const valuesAt = (body: Json | undefined, name: string): readonly Json[] =>
  typeof body === 'object' && body !== null && !Array.isArray(body) && name in body
    ? [(body as JsonObject)[name] ?? null]
    : []

/**
 * What a request is for. Faults and limits are aimed by it: `create` makes a user, `lookup` finds one by its
 * natural key or id (what a client does after an unknown outcome), `token` trades credentials for a token.
 */
export const REQUEST_KINDS = ['create', 'lookup', 'token', 'other'] as const
export type RequestKind = (typeof REQUEST_KINDS)[number]

export interface VendorRequest {
  /** Counts from 1 since the last reset; the ledger's key. */
  readonly number: number
  readonly method: string
  /** As sent, without the query. */
  readonly path: string
  /** The `:name` parts of the route's path, percent-decoded. */
  readonly parameters: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The origin the client used, for links and `instance_url`: http://host:port. */
  readonly baseUrl: string
}

export interface VendorResponse {
  readonly status: number
  readonly headers?: Headers
  /** JSON, or a string sent as it is (give it a content-type); left out: an empty body. */
  readonly body?: Json
}

export interface Route {
  readonly method: string
  /** `/api/v1/users/:idOrLogin`; a `:name` takes one segment. The first route that fits wins. */
  readonly path: string
  readonly kind: RequestKind | ((request: VendorRequest) => RequestKind)
  handle(request: VendorRequest): VendorResponse | Promise<VendorResponse>
}

type RateLimitRule = z.output<typeof rateLimitRuleSchema>

/** A bucket that a request counts against; a null rule means unlimited. */
export interface RateLimitCharge {
  readonly bucket: string
  readonly rule: RateLimitRule | null
}

/** The vendor's own words for what the framework does in its name. */
export interface VendorAnswers {
  unknownRoute(request: VendorRequest): VendorResponse
  /**
   * `usage` is null when a fault invents the refusal. `retryAfter`: a string is sent verbatim as Retry-After,
   * null leaves the header out, undefined means what the vendor really sends.
   */
  rateLimited(request: VendorRequest, usage: RateLimitUsage | null, retryAfter?: string | null): VendorResponse
  serverError(request: VendorRequest, status: number): VendorResponse
  expiredToken(request: VendorRequest): VendorResponse
  /** Only where the vendor refuses for quota with something else than its rate-limit answer. */
  quotaExceeded?(request: VendorRequest): VendorResponse
}

/** One vendor's running state; replaced by a reset. */
export interface VendorSimulator {
  readonly routes: readonly Route[]
  readonly answers: VendorAnswers
  /** Every bucket the request counts against; the tightest one is shown in the headers. */
  charges(request: VendorRequest, kind: RequestKind): readonly RateLimitCharge[]
  /** Headers on every answer, errors too; a response's own headers win. */
  headers(request: VendorRequest, usage: RateLimitUsage | null): Headers
  /** For GET /__simulator/state: everything held, with secrets reduced by `describePassword` or a boolean. */
  state(): { readonly users: readonly Json[] } & Readonly<Record<string, Json>>
}

/** Every vendor's settings schema extends this one, is strict, and gives every setting a default. */
export const commonSettingsSchema = z.strictObject({
  /** Seeds the dice of faults with a probability. */
  seed: z.int().default(1),
  /** Added to the vendor's clock: Date header, timestamps, limits, token expiry. */
  clock_skew_ms: z.int().default(0),
})
export type CommonSettings = z.output<typeof commonSettingsSchema>

export interface VendorContext<Settings extends CommonSettings> {
  /** Read at every use: a PATCH of the settings counts from the next request on. */
  settings(): Settings
  /** The vendor's clock, in epoch milliseconds. */
  now(): number
  /** Call once per user, at the moment it exists. `key` is the natural key, such as the login. */
  recordCreated(request: VendorRequest, user: { readonly id: string; readonly key: string }): void
}

/** What a client needs to create users here: the demo, tests and benches take it instead of lists of their own. */
export interface VendorSample {
  /** As an integrated account stores them; accepted with the default settings. */
  readonly credentials: Readonly<Record<string, string>>
  /** The config of an account at this simulator. */
  config(baseUrl: string): Readonly<Record<string, string>>
  /** A unified user that the vendor accepts, with no field that it does not need; another for each login. */
  user(login: string): Readonly<Record<string, Json>>
  /** Every value in the body of a create that the vendor might take for the login; more than one is ambiguous. */
  loginsIn(body: JsonObject): readonly Json[]
  /** Two logins that the vendor takes for one become equal. */
  foldLogin(login: string): string
  /** The body with which a look-up shows the user of this login, with id 7. */
  foundUser(login: string): Json
  /** The look-up is a list of all users. */
  readonly listsAllUsers?: true
  /** The look-up shows no creation time, so a user found after a lost answer counts as adopted. */
  readonly hidesCreationTime?: true
  /** Settings under which just what goes beyond this limit is refused; null: nothing is. */
  limitSettings(rule: RateLimitRule | null): Readonly<Record<string, unknown>>
}

export interface Vendor<Settings extends CommonSettings = CommonSettings> {
  /** The provider's id. */
  readonly id: string
  readonly settingsSchema: z.ZodType<Settings>
  readonly sample: VendorSample
  createSimulator(context: VendorContext<Settings>): VendorSimulator
}
