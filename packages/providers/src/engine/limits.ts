import type { AccountLimits } from '@muster/contracts/integrated-account'
import type { Provider } from '../provider.ts'

/** The limits an account runs under: its own, or the provider's documented ones. */
export function limitsOf(
  provider: Provider,
  own: AccountLimits,
): { requests: number; perSeconds: number; concurrency: number; callsPerCreate: number } {
  return {
    requests: own.requests ?? provider.limits.requests,
    perSeconds: own.requests === undefined ? provider.limits.perSeconds : (own.per_seconds ?? 1),
    concurrency: own.concurrency ?? provider.limits.concurrency,
    callsPerCreate: provider.callsPerCreate,
  }
}
