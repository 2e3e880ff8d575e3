import type { Credentials } from '@muster/contracts/integrated-account'
import type { AccessToken } from '@muster/domain/account/access-token'
import type { AccountRecord } from '@muster/domain/account/record'
import type { AccessTokens } from './access-tokens.ts'
import type { Accounts } from './accounts.ts'

/**
 * Access tokens as a connection wants them. A rotated refresh token is saved before the access token that came with it
 * is used: the old one no longer works. Credentials can be replaced at any time, so a token is renewed with the latest
 * ones and saved under their version.
 */
export function createTokenStore(store: { accessTokens: AccessTokens; accounts: Accounts }, account: AccountRecord) {
  return {
    read: (): Promise<AccessToken | undefined> => store.accessTokens.read(account.id, account.credentialsVersion),
    renew: (
      run: (present: AccessToken | undefined, credentials: Credentials) => Promise<AccessToken>,
    ): Promise<AccessToken> =>
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
