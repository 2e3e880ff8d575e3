import type { Credentials, CredentialType } from '@muster/contracts/integrated-account'
import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import type { ProviderId } from '@muster/contracts/provider-ids'
import type { UnifiedUser, UnifiedUserInputField } from '@muster/contracts/unified-user'
import type { AccessToken } from '@muster/domain/account/access-token'
import type { CreateInput } from '@muster/domain/operation/record'
import type { RemoteFailure } from '@muster/domain/outcome'
import type { z } from 'zod'
import type { CallPurpose, FailureRow } from './engine/failure-row.ts'

export type { AccessToken, CreateInput, RemoteFailure }

/** One request to the remote system, as plain data: what a dry run prints is what an attempt sends. */
export interface RemoteRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Absolute path from the origin, percent-encoded where needed, without a query. */
  path: string
  /** Nested objects are written as brackets (`filter[username]=ada`), arrays as repeated `name[]`. */
  query?: JsonObject
  headers?: Record<string, string>
  /** Sent as JSON. */
  body?: JsonObject
}

/** The answer to a `RemoteRequest`. */
export interface RemoteResponse {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  /** Parsed JSON where the text is JSON, else the text as it came, '' when empty. */
  body: unknown
  /** False when the body is not JSON: a 2xx with `isJson` false is never taken for a success. */
  isJson: boolean
}

/** What an adapter may know of the integrated account. Credentials go to `Authentication` alone. */
export interface AccountContext {
  /** Checked by the provider's `configSchema`. */
  config: JsonObject
  credentialType: CredentialType
}

/**
 * The field in which the provider itself refuses two users to be alike. What is validated, locked, looked up and
 * adopted is this and nothing else.
 */
export interface NaturalKey {
  /** In the provider's words: login, primaryEmail, Username. */
  field: string
  /** As it is sent and looked up; '' where the body has no text there. */
  sent: string
  /** Folded so that two keys that the provider takes for equal are equal. */
  value: string
  /** JSON pointer of where the request gives it. */
  pointer: string
  /** Another field of the body that the provider might read as this one. */
  otherSpelling?: string
}

export interface FoundUser {
  remoteId: string
  /** ISO 8601 by the provider's clock; null where it is not shown. */
  createdAt: string | null
  /** The record, in the shape that `toUser` reads. */
  body: unknown
  /**
   * Another user, who has the natural key by an alias, or stands in the way by another key: neither what this operation
   * created nor what it may adopt.
   */
  isOther?: true
}

/** A look-up by another key than the natural one. Found or not, no create follows. */
export interface HolderLookUp {
  toRequest(): RemoteRequest
  parse(response: RemoteResponse): FoundUser | Unreadable | undefined
}

/**
 * The answer of a find call is not of the provider's own form, or shows a part only: it proves nothing, so no create
 * may follow.
 */
export type Unreadable = 'unreadable'

/**
 * A safe call that turns a name into what the provider's create call wants. Its answer is kept for the account for some
 * minutes.
 */
export interface LookUp {
  /** The name under which `toCreateRequest` finds the answer. */
  key: string
  request: RemoteRequest
  /** In place of the answer in a dry run, such as `<id of profile "Standard User">`. */
  placeholder: unknown
  /**
   * Reads the answer; `toCreateRequest` decides whether it is good enough. Throws `unreadableAnswer` for one of
   * another form.
   */
  parse(response: RemoteResponse): unknown
}

export interface CreatePlan {
  request: RemoteRequest
  /** What was derived, and what of the input the provider cannot take beyond whole fields. */
  warnings: Warning[]
}

/** A look-up's answer makes the request impossible (unknown or ambiguous name). Thrown by `toCreateRequest`. */
export class UnresolvedInputError extends Error {
  override readonly name = 'UnresolvedInputError'
  readonly pointer: string
  constructor(pointer: string, message: string) {
    super(message)
    this.pointer = pointer
  }
}

export interface CreatedUser {
  remoteId: string
  /**
   * The record as the provider wrote it, in the shape that `toUser` reads; absent where the provider answers an id only
   * and must be read.
   */
  body?: unknown
  /**
   * The unified status, where the answer says it outside the record (Google's 202 for an invitation). Wins
   * over `toUser`.
   */
  status?: string
}

/**
 * What a failed call was for: the same words can mean another thing in the answer to a look-up than in the answer to a
 * create.
 */
export interface CallContext {
  purpose: CallPurpose
  account: AccountContext
}

/** A request for an access token: always a form, as RFC 6749 has it. */
interface TokenRequest {
  url: string
  form: Record<string, string>
  headers?: Record<string, string>
}

interface StaticAuthentication<C extends Credentials = Credentials> {
  kind: 'static'
  toHeaders(credentials: C): Record<string, string>
}

export interface TokenAuthentication<C extends Credentials = Credentials> {
  kind: 'token'
  toTokenRequest(credentials: C, account: AccountContext, baseUrl: string, now: number): Promise<TokenRequest>
  /** Reads a 2xx answer; throws a `RemoteFailureError` where the grant is not good enough (a scope is missing, say). */
  parseToken(body: unknown, now: number): AccessToken
  toHeaders(token: AccessToken): Record<string, string>
}

type CredentialsOf = { [T in CredentialType]: Extract<Credentials, { type: T }> }
export type AuthenticationOf<T extends CredentialType> =
  StaticAuthentication<CredentialsOf[T]> | TokenAuthentication<CredentialsOf[T]>
export type Authentications = { [T in CredentialType]?: AuthenticationOf<T> }

/** A failure on its way up to the caller that decides. */
export class RemoteFailureError extends Error {
  override readonly name = 'RemoteFailureError'
  readonly failure: RemoteFailure
  readonly response: RemoteResponse | undefined
  constructor(failure: RemoteFailure, response?: RemoteResponse) {
    super(failure.message)
    this.failure = failure
    this.response = response
  }
}

interface ProviderLimits {
  requests: number
  perSeconds: number
  concurrency: number
  /** Where the figures come from. */
  source: string
}

/**
 * required and supported as in the contract that Muster implements; extension: the provider takes it, and so does
 * Muster.
 */
export type FieldSupport = 'required' | 'supported' | 'extension'

export interface HostRules {
  /** Hosts of the vendor itself, matched against the whole host name in lower case. */
  patterns: readonly RegExp[]
  /** Customers can run it under a host of their own: accepted when the account's config says `custom_domain: true`. */
  allowsCustomDomain: boolean
}

/** Everything Muster knows of one remote system. Pure data and pure functions; `connection.ts` does the I/O. */
export interface Provider {
  id: ProviderId
  name: string
  documentationUrl: string
  authentications: Authentications
  /** Strict; `base_url`, `token_url` and `custom_domain` are added for every provider. */
  configSchema: z.ZodObject
  /** Where accounts without a `base_url` are called; null: `base_url` is required. */
  defaultBaseUrl: string | null
  hosts: HostRules
  limits: ProviderLimits
  /** Calls that one create usually takes, so that work starts as fast as the limit allows and no faster. */
  callsPerCreate: number
  /** The total time one create call may take. */
  timeoutMs: number
  /**
   * After an unknown outcome, how long after the answer was given up each look-up comes. A user not found by the last
   * one was not created.
   */
  lookUpAfterMs: readonly number[]
  fields: Partial<Record<UnifiedUserInputField, FieldSupport>>
  /** Query parameters beyond those that every provider takes. */
  parameters: Partial<Record<'organization_id' | 'workspace_id', 'required' | 'supported'>>
  /** What people must know, one sentence each; shown by `meta/create` and on the provider's page. */
  quirks: readonly string[]
  /** Unified fields that the answer can hold. */
  responseFields: readonly (keyof UnifiedUser)[]

  /**
   * True when a required field may be left out of this request, since `remote_data`, the account's config or another
   * field gives what it is needed for.
   */
  isGivenElsewhere?(field: UnifiedUserInputField, input: CreateInput, account: AccountContext): boolean
  /** Everything wrong with the input that needs no call to know. */
  validate(input: CreateInput, account: AccountContext): InputProblem[]
  /** By `readNaturalKey`, of the body that `toCreateRequest` will send. Total, and needs no look-up. */
  toNaturalKey(input: CreateInput, account: AccountContext): NaturalKey
  lookUps?(input: CreateInput, account: AccountContext): LookUp[]
  toCreateRequest(input: CreateInput, account: AccountContext, found: Readonly<Record<string, unknown>>): CreatePlan
  /**
   * Reads a 2xx answer of the create call; undefined when it is not the answer of a create (then the outcome is
   * unknown).
   */
  parseCreated(response: RemoteResponse, input: CreateInput): CreatedUser | undefined
  toReadRequest?(remoteId: string, account: AccountContext): RemoteRequest
  /**
   * Takes the record out of a 2xx answer of the read call, where it comes wrapped; undefined when there is none.
   * Without this, the body is the record.
   */
  parseRead?(response: RemoteResponse): unknown
  /**
   * Reads a record that has an id, and throws for any other; whatever else is odd about it costs the odd field alone.
   */
  toUser(body: unknown, input: CreateInput, account: AccountContext): UnifiedUser
  toFindRequest(input: CreateInput, account: AccountContext): RemoteRequest
  /**
   * Reads a 2xx answer of the find call. Undefined means that the provider reports no such user; a create may
   * follow it.
   */
  parseFound(response: RemoteResponse, input: CreateInput, account: AccountContext): FoundUser | Unreadable | undefined
  /**
   * Asked, in order, where a create is refused since the user exists and the look-up by natural key shows no one: every
   * other key in which the provider refuses it.
   */
  holderLookUps?(input: CreateInput, account: AccountContext): HolderLookUp[]
  /**
   * True when the answer of a find call says "no such user" by a status that would otherwise be a failure (404,
   * mostly), in the provider's own form: a gateway says 404 too. Absent: no failure says so.
   */
  isAbsent?(response: RemoteResponse): boolean
  /**
   * True for an answer in a form of the provider's own. Any other comes from in between: a gateway, a firewall, a page
   * of maintenance. Total.
   */
  isOwnAnswer(response: RemoteResponse): boolean
  /** The provider itself sends 404 without a body, just as a proxy does. */
  sendsBareNotFound?: true
  /** A cheap call that succeeds only with working credentials. */
  toCheckRequest(account: AccountContext): RemoteRequest
  /** What `classifyFailure` reads an answer by. */
  failures: readonly FailureRow[]
  /** Called for every answer that is not 2xx, and for a 2xx that cannot be read. Total. */
  classifyFailure(response: RemoteResponse, input?: CreateInput, context?: CallContext): RemoteFailure
  /** What the provider's support asks for, where it is not in the header `x-request-id`. */
  toProviderRequestId?(response: RemoteResponse): string | undefined
  /**
   * The origin to ask instead, where the answer says so (Meraki's shards, Files.com's regions). Not executed here, so
   * the same request is sent there.
   */
  toRedirect?(response: RemoteResponse): string | undefined
}
