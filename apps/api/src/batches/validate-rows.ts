import type { Row } from '@muster/bulk/row'
import { BoundReachedError } from '@muster/contracts/bounds'
import { batchItemSchema, type BulkQuery } from '@muster/contracts/batch'
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
import { checkCallback } from '../webhooks/check-webhook-url.ts'
import type { ApiConfig } from '../config.ts'
import { toAccountContext, toCreateInput } from '../operations/create-input.ts'
import { validate } from '../http/validate.ts'
import { isOwn, type Caller } from '../http/own-records.ts'

/** A row and what came of looking at it: what is to be created, or why it is not. */
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

export interface RowValidator {
  validate(row: Row): Promise<ValidatedRow>
}

/**
 * Everything that can be said of a row before anything is written. Keeps what the rows of one upload have in common:
 * accounts, callback addresses, logins that came before.
 */
export function createRowValidator({
  store,
  config,
  egress,
  hash,
  caller,
  query,
  isStrict,
  now,
}: {
  store: Store
  config: ApiConfig
  egress: Egress
  hash: Hasher
  caller: Caller
  query: BulkQuery
  isStrict: boolean
  now: number
}): RowValidator {
  const accounts = new Map<string, AccountRecord | undefined>()
  const callbacks = new Map<string, InputProblem[]>()
  const rowByLogin = new Map<string, number>()
  const defaults = defaultsOf(query)
  let stretchBegan = performance.now()

  async function readAccount(id: string): Promise<AccountRecord | undefined> {
    if (!accounts.has(id)) {
      const account = await store.accounts.read(id)
      accounts.set(id, account && isOwn(caller, account) ? account : undefined)
    }
    return accounts.get(id)
  }

  const tooManyHosts = (): InputProblem => ({
    pointer: '/callback_url',
    code: 'too_many_hosts',
    detail: new BoundReachedError('callbackHosts', config.MUSTER_MAX_CALLBACK_HOSTS).message,
  })

  /** By host: what differs behind it is looked at when it is connected to. */
  async function callbackProblems(url: string, mode: 'test' | undefined): Promise<InputProblem[]> {
    const host = `${URL.canParse(url) ? new URL(url).origin : url} ${mode ?? 'live'}`
    const known = callbacks.get(host)
    if (known) return known
    // Not even a name is looked up for more of them.
    if (callbacks.size >= config.MUSTER_MAX_CALLBACK_HOSTS) return [tooManyHosts()]
    const problems = (await checkCallback({ store, egress, config }, caller.tenantId, url, mode)).map((problem) => ({
      ...problem,
      pointer: '/callback_url',
    }))
    if (problems.length === 0 && !query.dry_run)
      await store.webhookEndpoints.ensureCallbackEndpoint(caller.tenantId, url, now, mode).catch((error: unknown) => {
        if (!(error instanceof BoundReachedError)) throw error
        problems.push(tooManyHosts())
      })
    callbacks.set(host, problems)
    return problems
  }

  return {
    async validate(row) {
      if (performance.now() - stretchBegan > MAX_BLOCK_MS) {
        await yieldEventLoop()
        stretchBegan = performance.now()
      }
      const refused = (problems: InputProblem[]): ValidatedRow => ({ row, problems })
      if (row.problems.length > 0) return refused(row.problems)
      const item = validate(batchItemSchema, row.value, 'body')
      if (item.value === undefined) return refused(item.problems)
      const { user, ...options } = item.value
      const accountId = options.integrated_account_id ?? query.integrated_account_id
      if (accountId === undefined)
        return refused([
          {
            pointer: '/integrated_account_id',
            code: 'required',
            detail: 'The row names no integrated account, and neither does the request.',
          },
        ])
      const account = await readAccount(accountId)
      if (!account)
        return refused([
          { pointer: '/integrated_account_id', code: 'not_found', detail: 'There is no such integrated account.' },
        ])
      const own: CreateUserQuery = { ...defaults, ...options, integrated_account_id: accountId }
      const input = toCreateInput(own, user)
      const { problems, warnings, naturalKey } = checkCreate(
        providerOf(account.provider),
        toAccountContext(account),
        input,
        own,
        { isStrict, now },
      )
      if (options.callback_url !== undefined)
        problems.push(...(await callbackProblems(options.callback_url, account.mode)))
      if (problems.length > 0)
        return refused(problems.map((problem) => ({ ...problem, pointer: toItemPointer(problem.pointer) })))
      const naturalKeyHash = hashNaturalKey(hash, account.id, naturalKey)
      const before = rowByLogin.get(naturalKeyHash)
      if (before !== undefined)
        return refused([{ pointer: '', code: 'duplicate_row', detail: `Row ${before} creates the same login.` }])
      rowByLogin.set(naturalKeyHash, row.number)
      return { row, problems: [], create: { account, input, query: own, warnings, naturalKey, naturalKeyHash } }
    },
  }
}

/** What is said of the whole request and holds for every row that does not say otherwise. */
function defaultsOf(query: BulkQuery): Omit<CreateUserQuery, 'integrated_account_id'> {
  const {
    truto_response_format,
    truto_ignore_remote_data,
    truto_exclude_fields,
    remote_query,
    organization_id,
    workspace_id,
    on_conflict,
    not_before,
    expires_at,
  } = query
  return Object.fromEntries(
    Object.entries({
      truto_response_format,
      truto_ignore_remote_data,
      truto_exclude_fields,
      remote_query,
      organization_id,
      workspace_id,
      on_conflict,
      not_before,
      expires_at,
    }).filter(([, value]) => value !== undefined),
  )
}

/** A problem of a create is told of its body and its query; a row has both in one object. */
function toItemPointer(pointer: string): string {
  if (pointer.startsWith('?')) return `/${pointer.slice(1)}`
  return pointer === '/callback_url' ? pointer : `/user${pointer}`
}
