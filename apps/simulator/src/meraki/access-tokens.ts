import { randomBytes } from 'node:crypto'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { MerakiSettings } from './settings.ts'

const DAY_MS = 24 * 60 * 60 * 1000

export interface AccessToken {
  readonly scopes: readonly string[]
  readonly expiresAt: number
}

const createToken = (): string => randomBytes(32).toString('hex')

const oauthError = (status: number, error: string): VendorResponse => ({ status, body: { error } })

function readBasic(authorization: string | undefined): { id: string; secret: string } | undefined {
  const encoded = /^Basic (.+)$/i.exec(authorization ?? '')?.[1]
  const [id, secret] = Buffer.from(encoded ?? '', 'base64')
    .toString('utf8')
    .split(/:(.*)/s)
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

/**
 * as.meraki.com/oauth/token with grant_type refresh_token: every use gives a new refresh token and revokes the old one.
 */
export function createAccessTokens({ settings, now }: VendorContext<MerakiSettings>) {
  const startedAt = now()
  const accessTokens = new Map<string, AccessToken>()
  /** The refresh tokens that live beside the first ones of the settings. */
  const refreshTokens = new Map<string, { readonly clientId: string; readonly issuedAt: number }>()
  const revoked = new Set<string>()

  function findGrant(token: string, client: MerakiSettings['oauth_clients'][number]) {
    if (revoked.has(token)) return undefined
    const grant =
      refreshTokens.get(token) ??
      (client.refresh_token === token ? { clientId: client.client_id, issuedAt: startedAt } : undefined)
    const isAlive = grant !== undefined && grant.issuedAt + settings().refresh_token_idle_days * DAY_MS > now()
    return isAlive && grant.clientId === client.client_id ? grant : undefined
  }

  function issue(request: VendorRequest): VendorResponse {
    const basic = readBasic(request.headers.authorization)
    const client = settings().oauth_clients.find(
      ({ client_id, client_secret }) => client_id === basic?.id && client_secret === basic.secret,
    )
    if (client === undefined) return oauthError(401, 'invalid_client')
    const form = new URLSearchParams(request.body)
    if (form.get('grant_type') !== 'refresh_token') return oauthError(400, 'unsupported_grant_type')
    const presented = form.get('refresh_token') ?? ''
    if (findGrant(presented, client) === undefined) return oauthError(400, 'invalid_grant')

    revoked.add(presented)
    const refreshToken = createToken()
    refreshTokens.set(refreshToken, { clientId: client.client_id, issuedAt: now() })
    const accessToken = createToken()
    const lifetime = settings().access_token_seconds
    accessTokens.set(accessToken, { scopes: client.scopes, expiresAt: now() + lifetime * 1000 })
    return {
      status: 200,
      body: {
        access_token: accessToken,
        token_type: 'Bearer',
        expires_in: lifetime,
        refresh_token: refreshToken,
        scope: client.scopes.join(' '),
      },
    }
  }

  return { issue, find: (token: string): AccessToken | undefined => accessTokens.get(token) }
}
export type AccessTokens = ReturnType<typeof createAccessTokens>
