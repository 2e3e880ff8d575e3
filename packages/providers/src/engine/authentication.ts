import type { CredentialType } from '@muster/contracts/integrated-account'
import { importPKCS8, SignJWT } from 'jose'
import { z } from 'zod'
import { looseText } from './loose-schema.ts'
import { RemoteFailureError, type AccessToken, type AuthenticationOf, type Provider } from '../provider.ts'

/**
 * RFC 6749 section 5.1. `expires_in` comes as a string from some servers; one that cannot be read must not cost a
 * refresh token that was rotated just now.
 */
const tokenSchema = z.looseObject({
  access_token: z.string().min(1),
  expires_in: z.coerce.number().positive().nullish().catch(null),
  refresh_token: looseText,
  scope: looseText,
  instance_url: looseText,
})
export type TokenBody = z.infer<typeof tokenSchema>

/** Reads the answer of a token endpoint; an answer without a token means that the login failed for now. */
export function parseTokenBody(body: unknown): TokenBody {
  const parsed = tokenSchema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new RemoteFailureError({
    code: 'provider_unavailable',
    outcome: 'retrying',
    message: 'The token endpoint answered without a token.',
  })
}

export function toAccessToken(body: TokenBody, now: number): AccessToken {
  return {
    value: body.access_token,
    expiresAt: body.expires_in ? now + body.expires_in * 1000 : null,
    ...(body.instance_url ? { baseUrl: body.instance_url } : {}),
    ...(body.refresh_token ? { rotatedRefreshToken: body.refresh_token } : {}),
  }
}

export const bearer = (token: AccessToken): Record<string, string> => ({ authorization: `Bearer ${token.value}` })

/** A signed JWT (RFC 7523). A key that is not a PKCS#8 PEM is a wrong credential, not a crash. */
export async function signAssertion(options: {
  privateKey: string
  keyId?: string
  claims: Record<string, string>
  /** Seconds. */
  lifetime: number
  now: number
}): Promise<string> {
  const issuedAt = Math.floor(options.now / 1000)
  try {
    const key = await importPKCS8(options.privateKey.replaceAll('\\n', '\n'), 'RS256')
    return await new SignJWT(options.claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(options.keyId ? { kid: options.keyId } : {}) })
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + options.lifetime)
      .setJti(crypto.randomUUID())
      .sign(key)
  } catch {
    // The cause is dropped on purpose: it could quote the key.
    throw new RemoteFailureError({
      code: 'credentials_rejected',
      outcome: 'held',
      certainty: 'final',
      message: 'The private key is not an RSA key in PKCS#8 PEM form.',
    })
  }
}

/** How the provider takes credentials of this type, if it does. */
export const authenticationOf = <T extends CredentialType>(
  { authentications }: Provider,
  type: T,
): AuthenticationOf<T> | undefined => authentications[type]
