import type { Row } from '@muster/bulk/row'
import { batchItemSchema, type BulkQuery } from '@muster/contracts/batch'
import { BoundReachedError } from '@muster/contracts/bounds'
import type { CreateUserQuery } from '@muster/contracts/create-user-parameters'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import type { Egress } from '@muster/egress/egress'
import { checkCreate } from '@muster/providers/engine/check-create'
import type { CreateInput, NaturalKey } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import { hashNaturalKey, type Hasher } from '@muster/store/crypto/hash-key'
import type { Store } from '@muster/store/store'
import { MAX_BLOCK_MS, yieldEventLoop } from '@muster/store/event-loop'
import type { ApiConfig } from '../config.ts'
import { isOwn, type Caller } from '../http/own-records.ts'
import { validate } from '../http/validate.ts'
import { toAccountContext, toCreateInput } from '../operations/create-input.ts'
import { checkCallback } from '../webhooks/check-webhook-url.ts'

/** What is to be created of a row, or why nothing is. */
export interface ValidatedRow {
  row: Row
  problems: InputProblem[]
  create?: {
    account: AccountRecord
    input: CreateInput
    query: CreateUserQuery
    warnings: Warning[]
    naturalKey: NaturalKey
    naturalKeyHash: string
  }
}

export interface ValidationContext {
  store: Store
  config: ApiConfig
  egress: Egress
  hash: Hasher
  caller: Caller
  query: BulkQuery
  isStrict: boolean
  now: number
}

const accountMissing: InputProblem = {
  pointer: '/integrated_account_id',
  code: 'required',
  detail: 'The row names no integrated account, and neither does the request.',
}
const accountUnknown: InputProblem = {
  pointer: '/integrated_account_id',
  code: 'not_found',
  detail: 'There is no such integrated account.',
}

/**
 * Everything that can be said of a row before anything is written. Keeps what the rows of one upload share: accounts,
 * callback hosts, logins of earlier rows.
 */
export class RowValidator {
  readonly #context: ValidationContext
  readonly #callbackHosts: CallbackHosts
  readonly #defaults: Omit<CreateUserQuery, 'integrated_account_id'>
  readonly #accounts = new Map<string, AccountRecord | undefined>()
  readonly #rowByLogin = new Map<string, number>()
  #blockBegan = performance.now()

  constructor(context: ValidationContext) {
    this.#context = context
    this.#callbackHosts = new CallbackHosts(context)
    this.#defaults = defaultsOf(context.query)
  }

  async validate(row: Row): Promise<ValidatedRow> {
    await this.#yieldIfDue()
    const refused = (...problems: InputProblem[]): ValidatedRow => ({ row, problems })
    if (row.problems.length > 0) return refused(...row.problems)
    const item = validate(batchItemSchema, row.value, 'body')
    if (item.value === undefined) return refused(...item.problems)
    const { user, ...options } = item.value
    const accountId = options.integrated_account_id ?? this.#context.query.integrated_account_id
    if (accountId === undefined) return refused(accountMissing)
    const account = await this.#readAccount(accountId)
    if (!account) return refused(accountUnknown)

    const query: CreateUserQuery = { ...this.#defaults, ...options, integrated_account_id: accountId }
    const input = toCreateInput(query, user)
    const { isStrict, now, hash } = this.#context
    const check = { isStrict, now }
    const provider = providerOf(account.provider)
    const { problems, warnings, naturalKey } = checkCreate(provider, toAccountContext(account), input, query, check)
    if (options.callback_url !== undefined)
      problems.push(...(await this.#callbackHosts.check(options.callback_url, account.mode)))
    if (problems.length > 0) return refused(...problems.map(toItemProblem))

    const naturalKeyHash = hashNaturalKey(hash, account.id, naturalKey)
    const duplicate = this.#findDuplicate(row, naturalKeyHash)
    if (duplicate) return refused(duplicate)
    const allWarnings = [...(row.warnings ?? []).map(toCreateWarning), ...warnings]
    return { row, problems: [], create: { account, input, query, warnings: allWarnings, naturalKey, naturalKeyHash } }
  }

  async #yieldIfDue(): Promise<void> {
    if (performance.now() - this.#blockBegan <= MAX_BLOCK_MS) return
    await yieldEventLoop()
    this.#blockBegan = performance.now()
  }

  async #readAccount(id: string): Promise<AccountRecord | undefined> {
    if (!this.#accounts.has(id)) {
      const account = await this.#context.store.accounts.read(id)
      this.#accounts.set(id, account && isOwn(this.#context.caller, account) ? account : undefined)
    }
    return this.#accounts.get(id)
  }

  #findDuplicate(row: Row, naturalKeyHash: string): InputProblem | undefined {
    const earlier = this.#rowByLogin.get(naturalKeyHash)
    if (earlier !== undefined)
      return { pointer: '', code: 'duplicate_row', detail: `Row ${earlier} creates the same login.` }
    this.#rowByLogin.set(naturalKeyHash, row.number)
    return undefined
  }
}

/** Callback addresses are checked by host: what differs behind it is checked at each connection. */
class CallbackHosts {
  readonly #context: ValidationContext
  readonly #problemsByHost = new Map<string, InputProblem[]>()

  constructor(context: ValidationContext) {
    this.#context = context
  }

  async check(url: string, mode: 'test' | undefined): Promise<InputProblem[]> {
    const host = `${URL.canParse(url) ? new URL(url).origin : url} ${mode ?? 'live'}`
    const known = this.#problemsByHost.get(host)
    if (known) return known
    // Beyond the bound not even a name is resolved.
    if (this.#problemsByHost.size >= this.#context.config.MUSTER_MAX_CALLBACK_HOSTS) return [this.#tooManyHosts()]
    const found = await checkCallback(this.#context, this.#context.caller.tenantId, url, mode)
    const problems = found.map((problem) => ({ ...problem, pointer: '/callback_url' }))
    if (problems.length === 0 && !this.#context.query.dry_run) problems.push(...(await this.#ensureEndpoint(url, mode)))
    this.#problemsByHost.set(host, problems)
    return problems
  }

  async #ensureEndpoint(url: string, mode: 'test' | undefined): Promise<InputProblem[]> {
    const { store, caller, now } = this.#context
    try {
      await store.webhookEndpoints.ensureCallbackEndpoint(caller.tenantId, url, now, mode)
      return []
    } catch (error) {
      if (error instanceof BoundReachedError) return [this.#tooManyHosts()]
      throw error
    }
  }

  #tooManyHosts(): InputProblem {
    const { message } = new BoundReachedError('callbackHosts', this.#context.config.MUSTER_MAX_CALLBACK_HOSTS)
    return { pointer: '/callback_url', code: 'too_many_hosts', detail: message }
  }
}

/** What the request says for every row that does not say otherwise. */
function defaultsOf({
  truto_response_format,
  truto_ignore_remote_data,
  truto_exclude_fields,
  remote_query,
  organization_id,
  workspace_id,
  on_conflict,
  not_before,
  expires_at,
}: BulkQuery): Omit<CreateUserQuery, 'integrated_account_id'> {
  const defaults = {
    truto_response_format,
    truto_ignore_remote_data,
    truto_exclude_fields,
    remote_query,
    organization_id,
    workspace_id,
    on_conflict,
    not_before,
    expires_at,
  }
  return Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== undefined))
}

/** The operation of a row shows its warnings, and it is a create like any other: `user` is its body. */
function toCreateWarning({ pointer, ...warning }: Warning): Warning {
  if (pointer === null) return { pointer, ...warning }
  return { ...warning, pointer: pointer.startsWith('/user/') ? pointer.slice('/user'.length) : `?${pointer.slice(1)}` }
}

/** A create has a body and a query; a row has both in one object. */
function toItemProblem(problem: InputProblem): InputProblem {
  const { pointer } = problem
  if (pointer.startsWith('?')) return { ...problem, pointer: `/${pointer.slice(1)}` }
  return pointer === '/callback_url' ? problem : { ...problem, pointer: `/user${pointer}` }
}
