import type { OperationHead } from '@muster/domain/operation/record'
import { MAX_BLOCK_MS, yieldEventLoop } from '../event-loop.ts'
import {
  accountKeysOf,
  toAcceptance,
  toStored,
  type AcceptAnswer,
  type Acceptance,
  type AcceptDependencies,
  type NewOperation,
} from './accept.ts'
import { acceptRowsScript } from './accept-scripts.ts'
import type { OpenFigures } from './open-work.ts'
import { countsKeyOf } from './operation-keys.ts'

/** Rows accepted by one script: as many as block Redis for less than a millisecond. */
const ROWS_A_CALL = 25

/** Rows of one account, and where each stands among all. */
interface RowsCall {
  head: OperationHead
  items: Omit<ReturnType<typeof toStored>, 'bytes'>[]
  positions: number[]
}

/** Seals the rows and sorts them into calls, in the order they came in. */
async function toCalls(dependencies: AcceptDependencies, operations: Iterable<NewOperation>) {
  const calls: RowsCall[] = []
  const latest = new Map<string, RowsCall>()
  const bytes: number[] = []
  let stretchBegan = performance.now()
  for (const operation of operations) {
    const { head } = operation
    let call = latest.get(head.accountId)
    if (!call || call.items.length >= ROWS_A_CALL) {
      call = { head, items: [], positions: [] }
      latest.set(head.accountId, call)
      calls.push(call)
    }
    const { bytes: size, ...item } = toStored(dependencies, operation)
    call.items.push(item)
    call.positions.push(bytes.length)
    bytes.push(size)
    // Sealing is computing, and others want the event loop too.
    if (performance.now() - stretchBegan < MAX_BLOCK_MS) continue
    await yieldEventLoop()
    stretchBegan = performance.now()
  }
  return { calls, bytes }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)

/**
 * Rows of one batch. Accepting one again changes nothing (`replayed`), since its id is made of the batch and the row.
 * @throws BoundReachedError, and then none of them is accepted
 */
export async function acceptRows(
  dependencies: AcceptDependencies,
  operations: Iterable<NewOperation>,
): Promise<Acceptance[]> {
  const { redis, openWork } = dependencies
  const { calls, bytes } = await toCalls(dependencies, operations)
  const tenantId = calls[0]?.head.tenantId
  if (tenantId === undefined) return []
  const reservation = await openWork.reserve(tenantId, bytes.length, sum(bytes))
  const answers = await acceptRowsScript.pipelined(
    redis,
    calls.map(({ head, items }) => ({ ...accountKeysOf(head), counts: countsKeyOf(head), items })),
  )
  const acceptances: Acceptance[] = []
  const figures = new Map<string, OpenFigures>()
  calls.forEach(({ head, positions }, call) => {
    const answer = answers[call] as [...AcceptAnswer[], OpenFigures]
    positions.forEach((position, row) => (acceptances[position] = toAcceptance(answer[row] as AcceptAnswer)))
    figures.set(head.accountId, answer.at(-1) as OpenFigures)
  })
  const unused = bytes.filter((_, row) => acceptances[row]?.kind !== 'accepted')
  openWork.settle(tenantId, reservation, figures, sum(unused))
  return acceptances
}
