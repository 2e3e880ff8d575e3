import { randomBytes, randomInt } from 'node:crypto'
import type { PasswordRecord } from '../framework/password.ts'
import type { Json } from '../framework/vendor.ts'

export type JsonRecord = { readonly [key: string]: Json | undefined }

export interface GoogleUser {
  readonly id: string
  readonly primaryEmail: string
  readonly name: { readonly givenName: string; readonly familyName: string; readonly displayName?: string }
  readonly createdMs: number
  readonly creationTime: string
  /** What the insert gave beyond the fields here, as it came. */
  readonly given: JsonRecord
  readonly orgUnitPath: string
  readonly password: PasswordRecord
  readonly hashFunction: string | null
  readonly aliases: string[]
  isAdmin: boolean
  deletionTime: string | null
  etag: string
}

/** 21 digits, beyond what a number holds exactly. */
export function createId(): string {
  let id = '1'
  while (id.length < 21) id += String(randomInt(10))
  return id
}

export const createEtag = (): string =>
  `"${randomBytes(32).toString('base64url')}/${randomBytes(20).toString('base64url')}"`

/** Recorded times of creation end in .000Z. */
export const toTimestamp = (epochMs: number): string => new Date(Math.floor(epochMs / 1000) * 1000).toISOString()

/** "Deleted users can be restored for 20 days", and keep their address as long. */
const KEPT_AFTER_DELETION_MS = 20 * 24 * 3_600_000

export function createUsers(now: () => number) {
  const byId = new Map<string, GoogleUser>()
  /** Primary addresses and aliases, in lower case. */
  const byAddress = new Map<string, GoogleUser>()

  const isKept = (user: GoogleUser) =>
    user.deletionTime === null || Date.parse(user.deletionTime) + KEPT_AFTER_DELETION_MS > now()

  return {
    isAddressTaken(address: string): boolean {
      const owner = byAddress.get(address.toLowerCase())
      return owner !== undefined && isKept(owner)
    },
    add(user: GoogleUser): void {
      byId.set(user.id, user)
      byAddress.set(user.primaryEmail, user)
    },
    addAlias(user: GoogleUser, alias: string): void {
      user.aliases.push(alias)
      byAddress.set(alias, user)
    },
    /** `userKey`: id, primary address or alias. */
    find(userKey: string): GoogleUser | undefined {
      const user = byId.get(userKey) ?? byAddress.get(userKey.toLowerCase())
      return user?.deletionTime === null ? user : undefined
    },
    count: (): number => [...byId.values()].filter(isKept).length,
    all: (): GoogleUser[] => [...byId.values()].filter(isKept),
  }
}
export type Users = ReturnType<typeof createUsers>

export const toState = (user: GoogleUser): Json => ({
  id: user.id,
  primaryEmail: user.primaryEmail,
  name: user.name,
  creationTime: user.creationTime,
  orgUnitPath: user.orgUnitPath,
  ...user.given,
  aliases: user.aliases,
  isAdmin: user.isAdmin,
  deletionTime: user.deletionTime,
  ...user.password,
  hash_function: user.hashFunction,
})
