import { randomUUID } from 'node:crypto'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import type { Muster } from '../support/harness.ts'
import { newUser } from '../support/harness.ts'

/**
 * What the client knows: every create it asked for, and every one that was acknowledged. Decides together with the
 * simulators' ledgers.
 */
export interface ClientEntry {
  accountId: string
  provider: ProviderId
  login: string
  operationId: string | null
  /** Answers other than 202, in order. */
  refusals: number[]
  /** Their bodies, to look for secrets in. */
  refusalBodies: string[]
}

export interface LoadOptions {
  accounts: readonly { id: string; provider: ProviderId }[]
  /** Creates in all, spread evenly. */
  count: number
  /** Creates that are on the way at once. */
  parallel: number
  /** Part of every password and of nothing else. */
  canary: string
  /** Gives up on one create after so long. */
  patienceMs?: number
}

/** Submits like a careful client: the same Idempotency-Key until there is an answer that ends the matter. */
export async function submitAll(
  muster: Muster,
  { accounts, count, parallel, canary, patienceMs = 60_000 }: LoadOptions,
): Promise<ClientEntry[]> {
  const entries: ClientEntry[] = []
  let next = 0
  const submitOne = async (index: number): Promise<void> => {
    const account = accounts[index % accounts.length]
    if (!account) return
    // No part of it can be in the password, which some providers refuse.
    const login = `user.r${index}.${randomUUID().slice(0, 8)}`
    const body = { ...newUser(account.provider, login) }
    if ('password' in body || account.provider === 'okta') body.password = `${canary}-Aa1`
    const entry: ClientEntry = {
      accountId: account.id,
      provider: account.provider,
      login,
      operationId: null,
      refusals: [],
      refusalBodies: [],
    }
    entries.push(entry)
    const key = randomUUID()
    const deadline = Date.now() + patienceMs
    for (let attempt = 0; Date.now() < deadline; attempt += 1) {
      try {
        const answer = await muster.create<{ id?: string }>(account.id, body, { headers: { 'idempotency-key': key } })
        if (answer.status === 202 && answer.body.id) {
          entry.operationId = answer.body.id
          return
        }
        entry.refusals.push(answer.status)
        entry.refusalBodies.push(JSON.stringify(answer.body))
        // Anything but "not now" is an answer.
        if (answer.status !== 503 && answer.status !== 429) return
      } catch {
        entry.refusals.push(0)
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(1_000, 50 * 2 ** attempt)))
    }
  }
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (next < count) {
        const index = next
        next += 1
        await submitOne(index)
      }
    }),
  )
  return entries
}
