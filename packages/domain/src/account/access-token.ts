/** What a provider's token endpoint gives for an account's credentials. */
export interface AccessToken {
  value: string
  /** Unix milliseconds; null where the provider does not say. */
  expiresAt: number | null
  /** Origin to call with this token, where the token answer names one (Salesforce's instance_url). */
  baseUrl?: string
  /** A new refresh token, where the provider rotates them: the old one no longer works. */
  rotatedRefreshToken?: string
}
