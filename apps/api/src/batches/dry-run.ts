import { accountLane } from '@muster/domain/lane-id'
import type { BulkDryRun } from '@muster/contracts/batch'
import type { InputProblem } from '@muster/contracts/problem'
import type { Store } from '@muster/store/store'
import type { ApiDependencies } from '../dependencies.ts'
import { RequestError } from '../http/request-error.ts'
import { startOf } from '../operations/accept-operation.ts'
import { estimateWaitSeconds, atLeastUntil } from '../operations/estimated-wait.ts'
import type { UploadedRows } from './upload-report.ts'
import type { ValidatedRow } from './validate-rows.ts'

const MAX_REJECTED_SHOWN = 1_000
const MAX_ERRORS_SHOWN = 100
/** Rows whose logins are looked up at once. */
const PAGE_ROWS = 500

const loginBusy: InputProblem = {
  pointer: '',
  code: 'operation_in_progress',
  detail: 'An unfinished operation is creating a user with this login.',
}

type AccountReport = BulkDryRun['accounts'][number]
interface AccountRows {
  report: AccountReport
  /** Of the last row that has to wait for its time. */
  latestStartAt: number | null
}

/** What would become of every row; nothing is written. */
export async function reportDryRun(
  { store, schedule }: Pick<ApiDependencies, 'store' | 'schedule'>,
  { rows, report: file }: UploadedRows,
): Promise<BulkDryRun> {
  const counts = { rows: 0, valid: 0, rejected: 0 }
  const report: BulkDryRun = { dry_run: true, ...counts, rejected_rows: [], problems: [], accounts: [] }
  const byAccount = new Map<string, AccountRows>()
  for await (const page of pagesOf(rows)) {
    const isBusy = await findBusyLogins(store, page)
    page.forEach((row, index) => {
      if (isBusy[index]) file.add(row.row, [loginBusy])
      addRow(report, byAccount, row, isBusy[index] ? [loginBusy] : row.problems)
    })
  }
  Object.assign(report, file.get())
  report.accounts = [...byAccount.values()].map((account) => account.report)
  for (const account of byAccount.values()) await estimateWait({ store, schedule }, account)
  return report
}

async function* pagesOf(rows: AsyncIterable<ValidatedRow>): AsyncGenerator<ValidatedRow[], void, undefined> {
  let page: ValidatedRow[] = []
  for await (const row of rows) {
    if (page.push(row) < PAGE_ROWS) continue
    yield page
    page = []
  }
  yield page
}

/** For each row, whether an unfinished operation is creating its login. */
async function findBusyLogins(store: Store, rows: readonly ValidatedRow[]): Promise<boolean[]> {
  const isBusy = rows.map(() => false)
  for (const accountId of new Set(rows.flatMap(({ create }) => create?.account.id ?? []))) {
    const positions = rows.flatMap(({ create }, index) => (create?.account.id === accountId ? [index] : []))
    const hashes = positions.map((index) => rows[index]?.create?.naturalKeyHash ?? '')
    const live = await store.operations.findLiveLogins(accountId, hashes)
    positions.forEach((position, index) => (isBusy[position] = live[index] !== null))
  }
  return isBusy
}

function addRow(
  report: BulkDryRun,
  byAccount: Map<string, AccountRows>,
  { row, create }: ValidatedRow,
  errors: InputProblem[],
): void {
  report.rows += 1
  if (errors.length > 0) {
    report.rejected += 1
    if (report.rejected_rows.length < MAX_REJECTED_SHOWN)
      report.rejected_rows.push({ row: row.number, line: row.line, errors })
    return
  }
  report.valid += 1
  if (!create) return
  const { id, provider } = create.account
  const empty = { integrated_account_id: id, provider, rows: 0, estimated_wait_seconds: null }
  const account = byAccount.get(id) ?? { report: empty, latestStartAt: null }
  account.report.rows += 1
  const startsAt = startOf(create.query)
  if (startsAt !== null) account.latestStartAt = Math.max(account.latestStartAt ?? 0, startsAt)
  byAccount.set(id, account)
}

async function estimateWait(
  { store, schedule }: Pick<ApiDependencies, 'store' | 'schedule'>,
  { report, latestStartAt }: AccountRows,
): Promise<void> {
  const account = await store.accounts.read(report.integrated_account_id)
  if (!account) return
  const waiting = (await store.operations.countOpen(account.id)) + report.rows
  const wait = estimateWaitSeconds(account, waiting, await schedule.cooldownMs(accountLane(account.id)))
  report.estimated_wait_seconds = atLeastUntil(wait, latestStartAt)
}

/** For on_invalid=reject_all. @throws RequestError where any row is rejected */
export function refuseRejected({ rows, rejected, rejected_rows }: BulkDryRun): void {
  if (rejected === 0) return
  const errors = rejected_rows.flatMap(({ row, errors: problems }) =>
    problems.map((problem) => ({ ...problem, pointer: `/items/${row - 1}${problem.pointer}` })),
  )
  throw new RequestError('validation_failed', `${rejected} of ${rows} rows are invalid, so none was accepted.`, {
    errors: errors.slice(0, MAX_ERRORS_SHOWN),
    extensions: { rows, rejected, rejected_rows: rejected_rows.slice(0, MAX_ERRORS_SHOWN) },
  })
}
