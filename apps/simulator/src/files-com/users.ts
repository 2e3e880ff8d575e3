import type { PasswordRecord } from '../framework/password.ts'
import type { Json } from '../framework/vendor.ts'

export interface FilesComUser {
  readonly id: number
  readonly username: string
  readonly createdMs: number
  readonly createdAt: string
  /** What the request said of the fields that come back as they went in. */
  readonly sent: Readonly<Record<string, Json>>
  readonly authenticationMethod: string
  readonly workspaceId: number
  groupIds: readonly number[]
  adminGroupIds: readonly number[]
  readonly password: PasswordRecord
}

/** `isCaseSensitive` is asked at every use, since the setting can change. */
export function createUsers(isCaseSensitive: () => boolean) {
  const byId = new Map<number, FilesComUser>()
  /** Folded, so that a name is found in one step; the few that share it are compared. */
  const byFolded = new Map<string, FilesComUser[]>()
  let lastId = 1_000_000

  const fold = (username: string): string => username.toLowerCase()
  const isSame = (one: string, other: string): boolean =>
    isCaseSensitive() ? one === other : fold(one) === fold(other)

  return {
    nextId: (): number => (lastId += 1),
    isSame,
    findByUsername: (username: string): FilesComUser | undefined =>
      (byFolded.get(fold(username)) ?? []).find((user) => isSame(user.username, username)),
    find: (id: string): FilesComUser | undefined => byId.get(Number(id)),
    all: (): FilesComUser[] => [...byId.values()],
    add(user: FilesComUser): void {
      byId.set(user.id, user)
      const key = fold(user.username)
      byFolded.set(key, [...(byFolded.get(key) ?? []), user])
    },
    remove(user: FilesComUser): void {
      byId.delete(user.id)
      const key = fold(user.username)
      byFolded.set(
        key,
        (byFolded.get(key) ?? []).filter((other) => other !== user),
      )
    },
  }
}
export type Users = ReturnType<typeof createUsers>

export const toState = (user: FilesComUser): Json => ({
  id: user.id,
  username: user.username,
  created_at: user.createdAt,
  authentication_method: user.authenticationMethod,
  workspace_id: user.workspaceId,
  group_ids: user.groupIds,
  admin_group_ids: user.adminGroupIds,
  ...user.sent,
  ...user.password,
})
