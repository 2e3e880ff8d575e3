import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import { checkDestination } from './destination.ts'
import { createHttpClients, type HttpClients } from './http-client.ts'
import type { Ports } from './ports.ts'
import { createResolver } from './resolver.ts'

export interface EgressOptions {
  allowedHosts: AllowedHosts
  maxSockets: number
  nameServers: readonly string[]
  ports: Ports
}

export interface Egress extends HttpClients {
  /** Why nothing would be sent there, in one sentence, or undefined. */
  checkDestination(url: string, tenantId: string): Promise<string | undefined>
}

/** What a process of ours needs to reach the world: one resolver, and the connections that are opened by it. */
export function createEgress({ allowedHosts, maxSockets, nameServers, ports }: EgressOptions): Egress {
  const resolver = createResolver({ nameServers })
  return {
    ...createHttpClients({ allowedHosts, maxSockets, ports, ...resolver }),
    checkDestination: (url, tenantId) =>
      checkDestination(url, { allowedHosts, ports, lookup: resolver.lookupFor(tenantId) }),
  }
}
