export interface SigningSecret {
  /** whsec_… */
  secret: string
  createdAt: number
  /** When it stops signing; null for the newest. */
  expiresAt: number | null
}

/** Those that still sign, newest first. */
export const activeSecrets = (secrets: readonly SigningSecret[], now: number): SigningSecret[] =>
  secrets.filter(({ expiresAt }) => expiresAt === null || expiresAt > now)

/** The previous secret also signs until the overlap ends. Two at most, so that the signature header stays short. */
export function rotateSecrets(
  secrets: readonly SigningSecret[],
  secret: string,
  overlapMs: number,
  now: number,
): SigningSecret[] {
  const [previous] = activeSecrets(secrets, now)
  const kept = previous && overlapMs > 0 ? [{ ...previous, expiresAt: now + overlapMs }] : []
  return [{ secret, createdAt: now, expiresAt: null }, ...kept]
}
