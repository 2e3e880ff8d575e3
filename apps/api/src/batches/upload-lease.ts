import { randomUUID } from 'node:crypto'
import type { Store } from '@muster/store/store'

/** Longer than a chunk takes, and shorter than the lease lasts. */
const RENEW_EVERY_MS = 4_000

/** One request at a time uploads the rows of a batch. */
export class UploadLease {
  readonly #store: Store
  readonly #batchId: string
  readonly #holder = randomUUID()
  #renewal: NodeJS.Timeout | undefined
  #isLost = false

  private constructor(store: Store, batchId: string) {
    this.#store = store
    this.#batchId = batchId
  }

  /** Resolves with undefined while another request has it. */
  static async take(store: Store, batchId: string): Promise<UploadLease | undefined> {
    const lease = new UploadLease(store, batchId)
    if (!(await store.batches.takeUpload(batchId, lease.#holder))) return undefined
    lease.#renewal = setInterval(() => void lease.#renew(), RENEW_EVERY_MS)
    return lease
  }

  /** Another request has taken it, since this process stood still for too long. */
  isLost(): boolean {
    return this.#isLost
  }

  async release(): Promise<void> {
    clearInterval(this.#renewal)
    // Where this fails, it expires.
    await this.#store.batches.releaseUpload(this.#batchId, this.#holder).catch(() => undefined)
  }

  async #renew(): Promise<void> {
    const isOurs = await this.#store.batches.takeUpload(this.#batchId, this.#holder).catch(() => true)
    if (!isOurs) this.#isLost = true
  }
}
