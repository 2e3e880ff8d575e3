import type { Json } from '../framework/vendor.ts'
import type { PasswordRecord } from '../framework/password.ts'

export type UserStatus = 'STAGED' | 'PROVISIONED' | 'ACTIVE' | 'PASSWORD_EXPIRED' | 'DEPROVISIONED'

export interface OktaUser {
  readonly id: string
  status: UserStatus
  readonly created: string
  activated: string | null
  statusChanged: string | null
  lastUpdated: string
  readonly passwordChanged: string | null
  readonly createdMs: number
  readonly profile: { readonly login: string; readonly email: string } & Readonly<Record<string, Json>>
  readonly password: PasswordRecord
  /** A password in any form: in clear, imported as a hash, or left to an import hook. */
  readonly hasPassword: boolean
  readonly hashAlgorithm: string | null
  readonly recoveryQuestion: string | undefined
  readonly provider: { readonly type: string; readonly name: string }
  readonly typeId: string
  readonly realmId: string | null
  readonly groupIds: readonly string[]
}

/** Logins are unique without regard to case and diacritics (Okta's users API). */
const toLoginKey = (login: string): string => login.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()

export function createUsers() {
  const byId = new Map<string, OktaUser>()
  /** DEPROVISIONED users stay: they keep their login. */
  const byLogin = new Map<string, OktaUser>()
  /** The part of the login before @; shared ones name no user. */
  const byShortname = new Map<string, OktaUser[]>()

  return {
    isLoginTaken: (login: string): boolean => byLogin.has(toLoginKey(login)),
    add(user: OktaUser): void {
      const key = toLoginKey(user.profile.login)
      byId.set(user.id, user)
      byLogin.set(key, user)
      const shortname = key.split('@', 1)[0] ?? key
      byShortname.set(shortname, [...(byShortname.get(shortname) ?? []), user])
    },
    find(idOrLogin: string): OktaUser | undefined {
      const key = toLoginKey(idOrLogin)
      const namesakes = byShortname.get(key) ?? []
      return byId.get(idOrLogin) ?? byLogin.get(key) ?? (namesakes.length === 1 ? namesakes[0] : undefined)
    },
    all: (): OktaUser[] => [...byId.values()],
  }
}
export type Users = ReturnType<typeof createUsers>

export const toState = (user: OktaUser): Json => ({
  id: user.id,
  login: user.profile.login,
  status: user.status,
  created: user.created,
  profile: user.profile,
  provider: user.provider,
  group_ids: user.groupIds,
  ...user.password,
  password_hash_algorithm: user.hashAlgorithm,
})
