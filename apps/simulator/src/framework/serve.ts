import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { vendors as allVendors } from '../registry.ts'
import type { Vendor } from './vendor.ts'
import { createVendorServer } from './vendor-server.ts'

export interface ServeOptions {
  readonly host?: string
  /** The first port; vendors take consecutive ones in the order of their ids. 0: a free port for each. */
  readonly port?: number
  readonly vendors?: readonly Vendor[]
  /** Changes to a vendor's default settings; a reset goes back to these. */
  readonly settings?: Partial<Record<string, Readonly<Record<string, unknown>>>>
}

export interface Simulators {
  /** The base URL of each vendor that was served. */
  readonly urls: Partial<Record<string, string>>
  /** Also ends the requests that a fault left hanging. */
  close(): Promise<void>
}

export async function serveSimulators({
  host = '127.0.0.1',
  port = 0,
  vendors = allVendors,
  settings = {},
}: ServeOptions = {}): Promise<Simulators> {
  const servers: Server[] = []
  const urls: Partial<Record<string, string>> = {}
  const close = async () => {
    await Promise.all(servers.map(closeServer))
  }

  try {
    for (const vendor of vendors) {
      const { answer } = createVendorServer(vendor, settings[vendor.id])
      const server = createServer((request, response) => {
        answer(request, response).catch((error: unknown) => {
          // A client that left while sending is no fault of ours; anything else is a bug and must be seen as one.
          if (!request.complete) return
          if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' })
          response.end(`The simulator itself failed: ${error instanceof Error ? error.stack : String(error)}`)
        })
      })
      // Longer than clients keep idle connections, so that an idle close never looks like an armed fault.
      server.keepAliveTimeout = 120_000
      await listen(server, port === 0 ? 0 : port + allVendors.findIndex(({ id }) => id === vendor.id), host)
      servers.push(server)
      const address = server.address() as AddressInfo
      urls[vendor.id] = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`
    }
  } catch (error) {
    await close()
    throw error
  }
  return { urls, close }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
