import { createPublicKey, randomBytes } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { OktaSettings } from './settings.ts'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512']

export interface AccessToken {
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly expiresAt: number
}

const oauthError = (status: number, error: string, description: string): VendorResponse => ({
  status,
  body: { error, error_description: description },
})
const invalidClient = (description: string): VendorResponse => oauthError(401, 'invalid_client', description)

/** The org authorization server: POST /oauth2/v1/token, client credentials with private_key_jwt only. */
export function createAccessTokens({ settings, now }: VendorContext<OktaSettings>) {
  const issued = new Map<string, AccessToken>()

  function findClient(assertion: string) {
    try {
      const clientId = decodeJwt(assertion).iss
      const keyId = decodeProtectedHeader(assertion).kid
      return settings().oauth_clients.find((client) => client.client_id === clientId && client.key_id === keyId)
    } catch {
      return undefined
    }
  }

  /** Undefined when the assertion holds. */
  async function checkAssertion(
    assertion: string,
    client: OktaSettings['oauth_clients'][number],
    audience: string,
  ): Promise<VendorResponse | undefined> {
    try {
      const { payload } = await jwtVerify(assertion, createPublicKey(client.public_key), {
        algorithms: ALGORITHMS,
        audience,
        subject: client.client_id,
        requiredClaims: ['exp'],
        currentDate: new Date(now()),
      })
      // Okta takes assertions of up to an hour.
      if ((payload.exp ?? 0) * 1000 > now() + 3_600_000) {
        return invalidClient('The client_assertion token has an expiration too far into the future.')
      }
      return undefined
    } catch (error) {
      if (error instanceof errors.JWTExpired) return invalidClient('The client_assertion token is expired.')
      if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') {
        return invalidClient('The audience claim for client_assertion must be the endpoint invoked for the request.')
      }
      return invalidClient('The client_assertion signature is invalid.')
    }
  }

  async function issue(request: VendorRequest): Promise<VendorResponse> {
    const form = new URLSearchParams(request.body)
    if (form.get('grant_type') !== 'client_credentials') {
      return oauthError(
        400,
        'unsupported_grant_type',
        'The authorization grant type is not supported by the authorization server.',
      )
    }
    const assertion = form.get('client_assertion')
    if (assertion === null || form.get('client_assertion_type') !== ASSERTION_TYPE) {
      return invalidClient(
        'Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.',
      )
    }
    const client = findClient(assertion)
    if (client === undefined) return invalidClient("Invalid value for 'client_id' parameter.")
    const refusal = await checkAssertion(assertion, client, `${request.baseUrl}${request.path}`)
    if (refusal !== undefined) return refusal

    // Scopes that were not granted are silently missing from the token (terraform-provider-okta#2375).
    const wanted = (form.get('scope') ?? '').split(' ').filter((scope) => scope !== '')
    const scopes = wanted.filter((scope) => client.scopes.includes(scope))
    if (scopes.length === 0) {
      return oauthError(
        400,
        'invalid_scope',
        'One or more scopes are not configured for the authorization server resource.',
      )
    }

    const lifetime = settings().access_token_seconds
    // Okta's are JWTs, but made for Okta alone: to a client they are opaque.
    const token = `eyJ${randomBytes(48).toString('base64url')}`
    issued.set(token, { clientId: client.client_id, scopes, expiresAt: now() + lifetime * 1000 })
    return {
      status: 200,
      body: { token_type: 'Bearer', expires_in: lifetime, access_token: token, scope: scopes.join(' ') },
    }
  }

  return { issue, find: (token: string): AccessToken | undefined => issued.get(token) }
}
export type AccessTokens = ReturnType<typeof createAccessTokens>
