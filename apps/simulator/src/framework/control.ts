import { z } from 'zod'
import type { FaultBoard } from './faults.ts'
import { faultSchema } from './faults.ts'
import type { Ledger } from './ledger.ts'
import type { CommonSettings, Json, VendorAnswers, VendorSample } from './vendor.ts'

interface Controlled {
  readonly settingsSchema: z.ZodType<CommonSettings>
  settings(): CommonSettings
  changeSettings(next: CommonSettings): void
  readonly faults: FaultBoard
  readonly ledger: Ledger
  state(): Json
  readonly answers: VendorAnswers
  reset(keepSettings: boolean): void
  readonly sample: VendorSample
}

interface ControlRequest {
  readonly method: string
  /** The origin that the client used. */
  readonly baseUrl: string
  /** What follows /__simulator/. */
  readonly resource: string
  readonly body: string
}

interface ControlResponse {
  readonly status: number
  readonly body?: Json
}

const resetSchema = z.strictObject({
  /** False puts the settings back to what the simulator started with. */
  keep_settings: z.boolean().default(false),
})

class InputError extends Error {}

function parseInput<Output>(schema: z.ZodType<Output>, input: unknown): Output {
  const parsed = schema.safeParse(input)
  if (!parsed.success) throw new InputError(z.prettifyError(parsed.error))
  return parsed.data
}

function parseJson(body: string): unknown {
  try {
    return body === '' ? {} : JSON.parse(body)
  } catch (cause) {
    throw new InputError('The body is not JSON.', { cause })
  }
}

/** The control API: /__simulator/sample, state, ledger, reset, faults, faults/:id and settings. */
export function handleControl(request: ControlRequest, controlled: Controlled): ControlResponse {
  try {
    return route(request, controlled)
  } catch (error) {
    if (error instanceof InputError) return { status: 400, body: { error: 'invalid_input', detail: error.message } }
    throw error
  }
}

function route({ method, baseUrl, resource, body }: ControlRequest, controlled: Controlled): ControlResponse {
  const { faults, ledger, sample } = controlled
  // Plain data by construction; the cast spares every record an index signature.
  const ok = (value: unknown): ControlResponse => ({ status: 200, body: value as Json })

  switch (`${method} ${resource}`) {
    case 'GET state':
      return ok(controlled.state())
    case 'GET sample':
      return ok({ credentials: sample.credentials, config: sample.config(baseUrl), user: sample.user('ada.lovelace') })
    case 'GET ledger':
      return ok(ledger.read())
    case 'POST reset':
      controlled.reset(parseInput(resetSchema, parseJson(body)).keep_settings)
      return { status: 204 }
    case 'GET faults':
      return ok({ faults: faults.list() })
    case 'POST faults': {
      const fault = parseInput(faultSchema, parseJson(body))
      if (fault.fault === 'quota_exceeded' && controlled.answers.quotaExceeded === undefined) {
        throw new InputError(
          'quota_exceeded: this vendor refuses for quota only with its rate limit; use rate_limit_storm.',
        )
      }
      return { ...ok(faults.arm(fault)), status: 201 }
    }
    case 'DELETE faults':
      faults.clear()
      return { status: 204 }
    case 'GET settings':
      return ok(controlled.settings())
    case 'PATCH settings': {
      const changes = parseInput(z.record(z.string(), z.unknown()), parseJson(body))
      controlled.changeSettings(parseInput(controlled.settingsSchema, { ...controlled.settings(), ...changes }))
      return ok(controlled.settings())
    }
  }

  const id = /^faults\/(\d+)$/.exec(resource)?.[1]
  if (method === 'DELETE' && id !== undefined && faults.disarm(Number(id))) return { status: 204 }
  return { status: 404, body: { error: 'not_found', detail: `There is no ${method} /__simulator/${resource}.` } }
}
