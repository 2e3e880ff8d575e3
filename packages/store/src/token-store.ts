import type { Credentials } from '@muster/contracts/integrated-account'
import type { AccessTokens } from './access-tokens.ts'
import type { AccountRecord, Accounts } from './accounts.ts'

interface Token {
  value: string
  expiresAt: number | null
  baseUrl?: string
  rotatedRefreshToken?: string
}

/** Access tokens as a connection wants them. A rotated refresh token is saved before the access token that came with it is used: the old one is dead. */
export function createTokenStore(store: { accessTokens: AccessTokens; accounts: Accounts }, account: AccountRecord) {
  return {
    read: (): Promise<Token | undefined> => store.accessTokens.read(account.id),
    renew: (run: (present: Token | undefined, credentials: Credentials) => Promise<Token>): Promise<Token> =>
      store.accessTokens.renew(account.id, async (present) => {
        const credentials = await store.accounts.readCredentials(account.id)
        if (!credentials) throw new Error('the credentials are gone from the store')
        const token = await run(present, credentials)
        if (token.rotatedRefreshToken !== undefined && credentials.type === 'refresh_token' && token.rotatedRefreshToken !== credentials.refresh_token) {
          await store.accounts.saveRotatedCredentials(account.id, { ...credentials, refresh_token: token.rotatedRefreshToken }, account.credentialsVersion)
        }
        return token
      }),
  }
}
