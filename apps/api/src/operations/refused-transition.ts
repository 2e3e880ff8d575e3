import { RefusedTransitionError, type Refusal } from '@muster/domain/operation/state'
import { RequestError } from '../http/request-error.ts'

const reasons: Record<Refusal, string> = {
  finished: 'The operation has ended.',
  running: 'The operation is running: the user may be created at any moment.',
  sent: 'The create may have reached the provider: only a look-up, which is due, can tell whether it can be canceled.',
  not_failed: 'Only an operation that failed, expired or was canceled, and was not erased, can be retried.',
}

/** What the state machine refuses, as an answer. Any other error stays as it is. */
export const toTransitionRefusal = (
  error: unknown,
  code: 'operation_not_cancelable' | 'operation_not_retryable',
): unknown => (error instanceof RefusedTransitionError ? new RequestError(code, reasons[error.reason]) : error)
