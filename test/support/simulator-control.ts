import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy.ts'
import { eventually } from './eventually.ts'
import { startProgram } from './program.ts'

export interface Ledger {
  requests: { number: number; at: string; method: string; path: string; status: number | null; fault?: string }[]
  created: { at: string; id: string; key: string; request_number: number }[]
}

/** What the simulator's own control API says and takes (apps/simulator/README.md). */
interface SimulatorControl {
  url: string
  arm(fault: Record<string, unknown>): Promise<void>
  disarm(): Promise<void>
  set(settings: Record<string, unknown>): Promise<void>
  reset(): Promise<void>
  ledger(): Promise<Ledger>
  state(): Promise<{ users: Record<string, unknown>[] }>
  /** Resolves when the ledger fits. Polls, since the simulator is another process. */
  until(test: (ledger: Ledger) => boolean): Promise<Ledger>
}

function controlOf(url: string): SimulatorControl {
  const call = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const response = await fetch(`${url}/__simulator/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok)
      throw new Error(`simulator control ${method} ${path}: ${response.status} ${await response.text()}`)
    return response
  }
  const ledger = async (): Promise<Ledger> => (await (await call('GET', 'ledger')).json()) as Ledger
  return {
    url,
    arm: async (fault) => void (await call('POST', 'faults', fault)),
    disarm: async () => void (await call('DELETE', 'faults')),
    set: async (settings) => void (await call('PATCH', 'settings', settings)),
    reset: async () => void (await call('POST', 'reset')),
    ledger,
    state: async () => (await (await call('GET', 'state')).json()) as { users: Record<string, unknown>[] },
    until: (test) => eventually(ledger, test),
  }
}

/** Every simulator in one process; those in `proxied` behind a fault proxy, which their control calls go past. */
export async function startSimulators(proxied: readonly ProviderId[]) {
  const program = await startProgram('apps/simulator/dist/main.js', { MUSTER_SIMULATOR_PORT: '0' })
  const urls = program.listening.simulators as Record<ProviderId, string>
  const simulators = Object.fromEntries(Object.entries(urls).map(([id, url]) => [id, controlOf(url)])) as Record<
    ProviderId,
    SimulatorControl
  >
  const proxies: Partial<Record<ProviderId, FaultProxy>> = {}
  for (const provider of proxied) {
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: Number(new URL(urls[provider]).port) })
    proxies[provider] = proxy
    urls[provider] = `http://127.0.0.1:${proxy.port}`
  }
  return { program, simulators, urls, proxies }
}
