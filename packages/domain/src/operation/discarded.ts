import { timeOfId, type OperationHead, type OperationState } from './record.ts'

type Known = Pick<OperationHead, 'id' | 'tenantId' | 'accountId' | 'provider' | 'batchId' | 'hasCallback'>

/** What is left of an operation whose record is damaged for good: what its keys say. */
export const discardedHead = (known: Known): OperationHead => ({
  ...known,
  reference: null,
  requestId: '',
  createdAt: timeOfId(known.id),
  priority: 0,
  naturalKeyHash: '',
  idempotencyHash: null,
  onConflict: 'fail',
  view: { format: 'unified', ignoreRemoteData: false, excludeFields: [] },
})

/** Failed, and erased, so that it is never run again: what came of it is not known, nor whom it was to create. */
export const discardedState = (now: number): OperationState => ({
  status: 'failed',
  statusReason: null,
  updatedAt: now,
  startedAt: null,
  finishedAt: now,
  notBefore: null,
  expiresAt: now,
  nextAttemptAt: null,
  run: 0,
  attemptCount: 0,
  usedAttempts: 0,
  attempts: [],
  warnings: [],
  outcome: null,
  remoteId: null,
  error: {
    code: 'outcome_unknown',
    message: 'Its record could not be read, and an operator discarded it. Whether it created the user is not known.',
    origin: 'muster',
    retryable: false,
    pointer: null,
    provider_status: null,
    raw_response: null,
    hint: 'Check the provider by hand for this login, then send a new request.',
  },
  unknown: null,
  erasedAt: now,
})
