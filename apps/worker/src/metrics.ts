import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Labels are few and bounded: provider, outcome, code. Never a tenant, a login or an address. */
export function createWorkerMetrics() {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  return {
    registry,
    ...operationMetrics(registers),
    ...webhookMetrics(registers),
    unreadable: new Counter({
      name: 'muster_records_unreadable_total',
      help: 'Times that a record did not open, by its kind; what needs it is held.',
      labelNames: ['record'],
      registers,
    }),
    observe: (process: { openLanes(): number; clockSkewMs(): number }) => observeProcess(registers, process),
  }
}
export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>

const operationMetrics = (registers: Registry[]) => ({
  attempts: new Counter({
    name: 'muster_attempts_total',
    help: 'Attempts by how they ended.',
    labelNames: ['provider', 'outcome'],
    registers,
  }),
  finished: new Counter({
    name: 'muster_operations_finished_total',
    help: 'Operations that came to an end.',
    labelNames: ['provider', 'status', 'error_code'],
    registers,
  }),
  wait: new Histogram({
    name: 'muster_operation_wait_seconds',
    help: 'From acceptance (or not_before) to the start of the first attempt.',
    labelNames: ['provider'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 21600],
    registers,
  }),
  calls: new Histogram({
    name: 'muster_provider_call_seconds',
    help: 'Calls to providers by purpose and class of answer; class is none when no answer came.',
    labelNames: ['provider', 'purpose', 'class'],
    buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  }),
  fenced: new Counter({
    name: 'muster_writes_fenced_total',
    help: 'Writes refused because another worker had taken the operation over.',
    registers,
  }),
  held: new Counter({
    name: 'muster_accounts_held_total',
    help: 'Accounts put on hold.',
    labelNames: ['provider', 'status'],
    registers,
  }),
})

const webhookMetrics = (registers: Registry[]) => ({
  deliveries: new Counter({
    name: 'muster_webhook_attempts_total',
    help: 'Attempts to deliver webhooks, by what came of them.',
    labelNames: ['outcome', 'reason'],
    registers,
  }),
  webhookDelay: new Histogram({
    name: 'muster_webhook_delay_seconds',
    help: 'From what happened to the first attempt to tell an endpoint of it.',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 60, 600, 3600],
    registers,
  }),
})

function observeProcess(
  registers: Registry[],
  { openLanes, clockSkewMs }: { openLanes(): number; clockSkewMs(): number },
): void {
  new Gauge({
    name: 'muster_lanes_open',
    help: 'Lanes that this worker owns.',
    registers,
    collect() {
      this.set(openLanes())
    },
  })
  new Gauge({
    name: 'muster_clock_skew_seconds',
    help: "This machine's clock less Redis'. Timers of the lanes run on this machine's.",
    registers,
    collect() {
      this.set(clockSkewMs() / 1000)
    },
  })
}
