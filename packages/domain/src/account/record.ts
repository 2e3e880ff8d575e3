import type { AccountLimits, AccountStatus, Credentials } from '@muster/contracts/integrated-account'
import type { JsonObject } from '@muster/contracts/json'
import type { ProviderId } from '@muster/contracts/provider-ids'

/** The provider asked for no calls until then. */
export interface Cooldown {
  /** Unix milliseconds. */
  until: number
  reason: string
  /** How many operations were tried during it. */
  probes: number
  /** When the next one is tried; absent where that is at the end, or in records of earlier versions. */
  nextProbeAt?: number
}

export interface AccountRecord {
  id: string
  tenantId: string
  provider: ProviderId
  name: string
  /** Absent: live. Never changes. */
  mode?: 'test'
  status: AccountStatus
  statusReason: string | null
  statusSince: number
  credentialType: Credentials['type']
  /** Grows with every change of the credentials, so that a refusal of old ones does not count against new ones. */
  credentialsVersion: number
  config: JsonObject
  limits: AccountLimits
  createdAt: number
  updatedAt: number
  /** Checks of the credentials since the account was put on hold; absent before the first hold. */
  recheck?: { count: number; lastAt: number }
  /** Absent in records written before there was one. */
  cooldown?: Cooldown | null
}
