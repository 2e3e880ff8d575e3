import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { ServeOptions } from '../src/framework/serve.ts'
import { serveSimulators } from '../src/framework/serve.ts'
import type { Vendor } from '../src/framework/vendor.ts'

interface LedgerView {
  requests: { number: number; at: string; method: string; path: string; status: number | null; fault?: string }[]
  created: { at: string; id: string; key: string; request_number: number }[]
}

/** The control API of one simulator, as a test uses it. */
function createControl(baseUrl: string) {
  async function call(method: string, resource: string, body?: unknown): Promise<Response> {
    return await fetch(`${baseUrl}/__simulator/${resource}`, {
      method,
      body: body === undefined ? null : JSON.stringify(body),
    })
  }
  async function expectOk(response: Response): Promise<Response> {
    if (!response.ok) throw new Error(`Control call refused: ${response.status} ${await response.text()}`)
    return response
  }
  return {
    call,
    arm: async (fault: Record<string, unknown>) => void (await expectOk(await call('POST', 'faults', fault))),
    set: async (settings: Record<string, unknown>) => void (await expectOk(await call('PATCH', 'settings', settings))),
    reset: async () => void (await expectOk(await call('POST', 'reset'))),
    ledger: async () => (await (await call('GET', 'ledger')).json()) as LedgerView,
    state: async () => (await (await call('GET', 'state')).json()) as { users: Record<string, unknown>[] },
  }
}

/** One vendor's simulator on a free port. */
export async function startVendor(vendor: Vendor, settings: Readonly<Record<string, unknown>> = {}) {
  const options: ServeOptions = { vendors: [vendor], settings: { [vendor.id]: settings } }
  const simulators = await serveSimulators(options)
  const url = simulators.urls[vendor.id]
  if (url === undefined) throw new Error(`${vendor.id} was not served`)
  return { url, close: simulators.close, control: createControl(url) }
}

export interface SocketView {
  status: number | undefined
  headers: IncomingHttpHeaders
  body: string
  /** The socket's error code, such as ECONNRESET; undefined when the answer ended in order. */
  error: string | undefined
  /** How many pieces the body came in. */
  chunks: number
}

/** One request as the socket saw it: what arrived before an error is kept. */
export function observe(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string; signal?: AbortSignal } = {},
): Promise<SocketView> {
  return new Promise((resolve) => {
    const view: SocketView = { status: undefined, headers: {}, body: '', error: undefined, chunks: 0 }
    const fail = (error: NodeJS.ErrnoException) => {
      view.error ??= error.code ?? error.message
      resolve(view)
    }
    const { method, headers, signal } = options
    const sent = httpRequest(url, { agent: false, method, headers, signal }, (response) => {
      view.status = response.statusCode
      view.headers = response.headers
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        view.body += chunk
        view.chunks += 1
      })
      response.on('error', fail)
      response.on('end', () => resolve(view))
    })
    sent.on('error', fail)
    sent.end(options.body)
  })
}
