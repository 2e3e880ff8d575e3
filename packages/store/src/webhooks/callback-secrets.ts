import type { SigningSecret } from '@muster/domain/webhook-endpoint/secrets'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { CONFLICT, swapValueScript, untilWritten } from '../redis/versioned.ts'

/** What signs for the callback addresses of a tenant. */
export function createCallbackSecrets({ redis, keyring }: { redis: Redis; keyring: Keyring }) {
  /** Of mode test, the live ones sign until there is another: a signature reveals nothing. */
  async function read(tenantId: string, mode?: 'test'): Promise<{ secrets: SigningSecret[]; sealed: Buffer | null }> {
    const sealed = await redis.getBuffer(keys.callbackSecret(tenantId, mode))
    if (sealed !== null)
      return { secrets: keyring.open(sealed, bindings.callbackSecret(tenantId, mode)) as SigningSecret[], sealed }
    return { secrets: mode === undefined ? [] : (await read(tenantId)).secrets, sealed }
  }

  return {
    readCallbackSecrets: async (tenantId: string, mode?: 'test'): Promise<SigningSecret[]> =>
      (await read(tenantId, mode)).secrets,

    /** @param change gets the present secrets, and runs again after a conflict. Resolves with what was written. */
    updateCallbackSecrets: (
      tenantId: string,
      change: (secrets: SigningSecret[]) => SigningSecret[],
      mode?: 'test',
    ): Promise<SigningSecret[]> =>
      untilWritten(async () => {
        const present = await read(tenantId, mode)
        const secrets = change(present.secrets)
        const written = await swapValueScript(redis, {
          value: keys.callbackSecret(tenantId, mode),
          before: present.sealed ?? '',
          next: keyring.seal(secrets, bindings.callbackSecret(tenantId, mode)),
        })
        return written === 1 ? secrets : CONFLICT
      }),
  }
}
