import type { Credentials } from '@muster/contracts/integrated-account'
import type { AccessTokens } from './access-tokens.ts'
import type { AccountRecord, Accounts } from './accounts.ts'

interface Token {
  value: string
  expiresAt: number | null
  baseUrl?: string
  rotatedRefreshToken?: string
}

/**
 * Access tokens as a connection wants them. A rotated refresh token is saved before the access token that came with it
 * is used: the old one is dead.
 * Credentials can be replaced at any time: whatever is renewed is renewed with those of this moment, and saved as
 *   theirs.
 */
export function createTokenStore(store: { accessTokens: AccessTokens; accounts: Accounts }, account: AccountRecord) {
  return {
    read: (): Promise<Token | undefined> => store.accessTokens.read(account.id, account.credentialsVersion),
    renew: (run: (present: Token | undefined, credentials: Credentials) => Promise<Token>): Promise<Token> =>
      store.accessTokens.renew(account.id, async () => {
        const latest = await store.accounts.readVersionedCredentials(account.id)
        if (!latest) throw new Error('the credentials are gone from the store')
        const { credentials, credentialsVersion } = latest
        const token = await run(await store.accessTokens.read(account.id, credentialsVersion), credentials)
        if (
          token.rotatedRefreshToken !== undefined &&
          credentials.type === 'refresh_token' &&
          token.rotatedRefreshToken !== credentials.refresh_token
        ) {
          await store.accounts.saveRotatedCredentials(
            account.id,
            { ...credentials, refresh_token: token.rotatedRefreshToken },
            credentialsVersion,
          )
        }
        return { token, credentialsVersion }
      }),
  }
}
