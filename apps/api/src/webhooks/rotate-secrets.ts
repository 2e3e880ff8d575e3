import { routes } from '@muster/contracts/routes'
import { rotateSecrets, type SigningSecret } from '@muster/domain/webhook-endpoint/secrets'
import { createSecret } from '@muster/webhooks/secret'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { modeOf, readOwnEndpoint } from '../http/own-records.ts'
import { RequestError } from '../http/request-error.ts'

const HOUR_MS = 3_600_000
const DEFAULT_OVERLAP_HOURS = 24

export const secretRoutes = (dependencies: ApiDependencies) => [
  rotateEndpointSecret(dependencies),
  rotateCallbackSecret(dependencies),
]

const rotateEndpointSecret = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.rotateWebhookSecret, async ({ caller, params, body = {} }) => {
    const record = await readOwnEndpoint(store, caller, params.id)
    if (record.kind === 'callback')
      throw new RequestError('conflict', 'Callbacks are signed with the callback secret: POST /callback-secret.')
    const { secret, now, rotate } = newSecret(body.overlap_hours)
    let rotated: SigningSecret[] = []
    const write = <S extends { secrets: SigningSecret[] }>(latest: S): S => {
      rotated = rotate(latest.secrets)
      return { ...latest, secrets: rotated }
    }
    await store.webhookEndpoints.updateSecrets(params.id, write, now)
    return { status: 200, body: { secret, previous_expires_at: previousExpiry(rotated) } }
  })

const rotateCallbackSecret = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.rotateCallbackSecret, async ({ tenantId, caller, body = {} }) => {
    const { secret, rotate } = newSecret(body.overlap_hours)
    const rotated = await store.webhookEndpoints.updateCallbackSecrets(tenantId, rotate, modeOf(caller))
    return { status: 200, body: { secret, previous_expires_at: previousExpiry(rotated) } }
  })

function newSecret(overlapHours = DEFAULT_OVERLAP_HOURS) {
  const now = Date.now()
  const secret = createSecret()
  const rotate = (secrets: readonly SigningSecret[]): SigningSecret[] =>
    rotateSecrets(secrets, secret, overlapHours * HOUR_MS, now)
  return { secret, now, rotate }
}

function previousExpiry([, previous]: readonly SigningSecret[]): string | null {
  return typeof previous?.expiresAt === 'number' ? new Date(previous.expiresAt).toISOString() : null
}
