import type { IncomingMessage, ServerResponse } from 'node:http'
import { handleControl } from './control.ts'
import * as deliver from './deliver.ts'
import type { Fault } from './faults.ts'
import { createFaultBoard } from './faults.ts'
import { createLedger } from './ledger.ts'
import type { RateLimitUsage } from './rate-limit.ts'
import { createRateLimiter } from './rate-limit.ts'
import { findRoute } from './router.ts'
import type { CommonSettings, RequestKind, Vendor, VendorRequest, VendorResponse } from './vendor.ts'

const CONTROL_PREFIX = '/__simulator/'
/** Larger than any vendor's user; a client that sends more is at fault. */
const MAX_BODY_BYTES = 10 * 1024 * 1024

/** What a gateway in front of the vendor puts in its place. */
const GATEWAY_PAGE = '<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>'

/** Undefined when the body is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk)
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString('utf8')
}

/** One vendor: its state, settings, faults and ledger behind one request listener. */
export function createVendorServer(vendor: Vendor, givenSettings: Readonly<Record<string, unknown>> = {}) {
  const initialSettings: CommonSettings = vendor.settingsSchema.parse(givenSettings)
  let settings = initialSettings
  const now = () => Date.now() + settings.clock_skew_ms
  const ledger = createLedger()
  const faults = createFaultBoard(settings.seed)
  const limiter = createRateLimiter(now)
  const startSimulator = () =>
    vendor.createSimulator({
      settings: () => settings,
      now,
      recordCreated: (request, user) => ledger.recordCreated(request.number, user),
    })
  let simulator = startSimulator()

  function changeSettings(next: CommonSettings): void {
    if (next.seed !== settings.seed) faults.reseed(next.seed)
    settings = next
  }

  function reset(keepSettings: boolean): void {
    changeSettings(keepSettings ? settings : initialSettings)
    faults.reseed(settings.seed)
    faults.clear()
    ledger.clear()
    limiter.clear()
    simulator = startSimulator()
  }

  /** Counts the request in every bucket it belongs to; the usage shown is the first refusal, else the tightest. */
  function chargeLimits(request: VendorRequest, kind: RequestKind): RateLimitUsage | null {
    let tightest: RateLimitUsage | null = null
    for (const { bucket, rule } of simulator.charges(request, kind)) {
      if (rule === null) continue
      const usage = limiter.take(bucket, rule)
      if (usage.isExceeded) return usage
      if (tightest === null || usage.remaining < tightest.remaining) tightest = usage
    }
    return tightest
  }

  /** The answer that a fault puts in the place of the real one, if it is such a fault. */
  function replace(fault: Fault | undefined, request: VendorRequest): VendorResponse | undefined {
    const { answers } = simulator
    switch (fault?.fault) {
      case 'rate_limit_storm':
        return answers.rateLimited(request, null, fault.retry_after)
      case 'quota_exceeded':
        return answers.quotaExceeded?.(request)
      case 'expired_token':
        return answers.expiredToken(request)
      case 'html':
        return { status: 200, headers: { 'content-type': 'text/html' }, body: GATEWAY_PAGE }
      case 'server_error':
        return fault.body === undefined
          ? answers.serverError(request, fault.status)
          : { status: fault.status, body: fault.body }
      case 'answer':
        return {
          status: fault.status,
          ...(fault.content_type === undefined ? {} : { headers: { 'content-type': fault.content_type } }),
          ...(fault.body === undefined ? {} : { body: fault.body }),
        }
      default:
        return undefined
    }
  }

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = incoming.url ?? '/'
    const [path = '/', search = ''] = url.split(/\?(.*)/s, 2)
    const method = incoming.method ?? 'GET'
    const baseUrl = `http://${incoming.headers.host ?? 'localhost'}`
    const body = await readBody(incoming)
    if (body === undefined) {
      await deliver.send(response, deliver.toWireAnswer(413, {}, 'The simulator takes bodies of up to 10 MiB.'))
      return
    }
    if (path.startsWith(CONTROL_PREFIX)) {
      const { status, body: result } = handleControl(
        { method, baseUrl, resource: path.slice(CONTROL_PREFIX.length), body },
        {
          settingsSchema: vendor.settingsSchema,
          settings: () => settings,
          changeSettings,
          faults,
          ledger,
          state: () => simulator.state(),
          answers: simulator.answers,
          reset,
          sample: vendor.sample,
        },
      )
      await deliver.send(response, deliver.toWireAnswer(status, { 'cache-control': 'no-store' }, result))
      return
    }

    const entry = ledger.recordRequest(method, url)
    const match = findRoute(simulator.routes, method, path)
    const request: VendorRequest = {
      number: entry.number,
      method,
      path,
      parameters: match?.parameters ?? {},
      query: new URLSearchParams(search),
      headers: incoming.headers,
      body,
      baseUrl,
    }
    const route = match?.route
    const kind = typeof route?.kind === 'function' ? route.kind(request) : (route?.kind ?? 'other')

    // The limit comes before the faults, so that a refused request does not use up a fault meant for a commit.
    const usage = chargeLimits(request, kind)
    const fault = usage?.isExceeded ? undefined : faults.take(method, url, kind)
    if (fault !== undefined) entry.fault = fault.fault

    if (fault?.fault === 'timeout_before_commit' || fault?.fault === 'dropped_lookup')
      return void deliver.hang(response)
    if (fault?.fault === 'reset_before_commit') return void deliver.reset(response)

    const replacement = usage?.isExceeded ? simulator.answers.rateLimited(request, usage) : replace(fault, request)
    const isCarriedOut =
      replacement === undefined || (fault !== undefined && 'after_commit' in fault && fault.after_commit)
    const real = isCarriedOut ? await (route?.handle(request) ?? simulator.answers.unknownRoute(request)) : undefined

    if (fault?.fault === 'timeout_after_commit') return void deliver.hang(response)
    if (fault?.fault === 'reset_after_commit') return void deliver.reset(response)

    const result = replacement ?? real ?? simulator.answers.unknownRoute(request)
    const wireAnswer = deliver.toWireAnswer(
      result.status,
      { date: new Date(now()).toUTCString(), ...simulator.headers(request, usage), ...result.headers },
      result.body,
    )
    if (await deliveryFor(fault)(response, wireAnswer)) entry.status = result.status
  }

  return { answer }
}

function deliveryFor(fault: Fault | undefined): deliver.Delivery {
  switch (fault?.fault) {
    case 'slow':
      return deliver.sendSlowly(fault.delay_ms)
    case 'drip':
      return deliver.sendInDrips(fault.bytes, fault.interval_ms)
    case 'huge_body':
      return deliver.sendHuge(fault.bytes)
    case 'malformed_json':
      return deliver.sendCutInTwo
    case 'reset_mid_body':
      return deliver.resetMidBody
    default:
      return deliver.send
  }
}
