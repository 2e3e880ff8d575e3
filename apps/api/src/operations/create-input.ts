import type { CreateUserQuery } from '@muster/contracts/create-user-parameters'
import type { JsonObject, JsonValue } from '@muster/contracts/json'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import type { AccountContext, CreateInput } from '@muster/providers/provider'
import type { AccountRecord } from '@muster/domain/account/record'

export function toCreateInput(
  query: Pick<CreateUserQuery, 'remote_query' | 'organization_id' | 'workspace_id'>,
  user: UnifiedUserInput,
): CreateInput {
  return {
    user,
    remoteQuery: query.remote_query ?? {},
    ...(query.organization_id === undefined ? {} : { organizationId: query.organization_id }),
    ...(query.workspace_id === undefined ? {} : { workspaceId: query.workspace_id }),
  }
}

export const toAccountContext = (account: AccountRecord): AccountContext => ({
  config: account.config,
  credentialType: account.credentialType,
})

/** The same text for the same value, whatever the order of its keys. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? (Object.fromEntries(Object.entries(inner as JsonObject).sort(([a], [b]) => (a < b ? -1 : 1))) as {
          [key: string]: JsonValue
        })
      : inner,
  )
}
