import type { LaneId } from '@muster/domain/lane-id'
import type { RunJob } from './job-runner.ts'
import type { Pace } from './pace.ts'

/** An entry of a backlog, `+job`, and where it waits. */
interface BacklogEntry {
  batchId: string
  entry: string
}

/** Where lanes hear of their work. */
export interface LaneSource {
  /** Undefined while the lane's subject is on hold or gone: then the lane is not opened. */
  pace(laneId: LaneId): Promise<Pace | undefined>
  /** Under the cap, tenants share the lanes that may be open. */
  tenantOf(laneId: LaneId): Promise<string | undefined>
  /** The lane's subject no longer exists: nothing of the lane is kept. */
  isGone?(laneId: LaneId): Promise<boolean>
  /** Entries of the outbox, most urgent first: `+job` to add, `-job` to remove. */
  readOutbox(laneId: LaneId, limit: number): Promise<string[]>
  clearOutbox(laneId: LaneId, entries: readonly string[]): Promise<void>
  priorityOf(laneId: LaneId, jobIds: readonly string[]): Promise<number[]>
  /** Work that waits outside the lane and is fed to it bit by bit, so that 100,000 rows are not 100,000 jobs. */
  backlog?: {
    read(laneId: LaneId, limit: number): Promise<BacklogEntry[]>
    clear(laneId: LaneId, given: readonly BacklogEntry[]): Promise<void>
    /** When the next of it may start, by the clock of `now`; null when there is none. */
    nextAt(laneId: LaneId): Promise<number | null>
    priority: number
  }
  run: RunJob
}
