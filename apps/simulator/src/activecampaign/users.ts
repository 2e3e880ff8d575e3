import type { PasswordRecord } from '../framework/password.ts'
import type { Json } from '../framework/vendor.ts'
import type { ActiveCampaignSettings } from './settings.ts'

export interface ActiveCampaignUser {
  readonly id: string
  readonly username: string
  readonly email: string
  readonly firstName: string
  readonly lastName: string
  readonly group: string
  readonly password: PasswordRecord
  /** Epoch milliseconds. */
  readonly createdAt: number
}

/** Whether two usernames that differ in case are one is not documented: the setting decides. */
const toUsernameKey = (username: string, { username_is_case_sensitive }: ActiveCampaignSettings): string =>
  username_is_case_sensitive ? username : username.toLowerCase()

export function createUsers(settings: () => ActiveCampaignSettings) {
  const byId = new Map<string, ActiveCampaignUser>()
  /** Keyed in lower case; a case-sensitive account has several behind one key. */
  const byUsername = new Map<string, ActiveCampaignUser[]>()
  const byEmail = new Map<string, ActiveCampaignUser[]>()
  let lastId = 0

  const index = (map: Map<string, ActiveCampaignUser[]>, key: string, user: ActiveCampaignUser) =>
    void map.set(key, [...(map.get(key) ?? []), user])
  const remove = (map: Map<string, ActiveCampaignUser[]>, key: string, user: ActiveCampaignUser) =>
    void map.set(
      key,
      (map.get(key) ?? []).filter((other) => other !== user),
    )

  return {
    /** Ids count up from 1, which is the owner's. */
    nextId: (): string => String(++lastId),
    add(user: ActiveCampaignUser): void {
      byId.set(user.id, user)
      index(byUsername, user.username.toLowerCase(), user)
      index(byEmail, user.email.toLowerCase(), user)
    },
    remove(user: ActiveCampaignUser): void {
      byId.delete(user.id)
      remove(byUsername, user.username.toLowerCase(), user)
      remove(byEmail, user.email.toLowerCase(), user)
    },
    find: (id: string): ActiveCampaignUser | undefined => byId.get(id),
    findByUsername: (username: string): ActiveCampaignUser | undefined =>
      byUsername
        .get(username.toLowerCase())
        ?.find((user) => toUsernameKey(user.username, settings()) === toUsernameKey(username, settings())),
    findByEmail: (email: string): ActiveCampaignUser | undefined => byEmail.get(email.toLowerCase())?.[0],
    all: (): ActiveCampaignUser[] => [...byId.values()],
    count: (): number => byId.size,
  }
}
export type Users = ReturnType<typeof createUsers>

export const toState = ({ createdAt, password, ...user }: ActiveCampaignUser): Json => ({
  ...user,
  created_at: new Date(createdAt).toISOString(),
  ...password,
})
