import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { toEmailList } from '../mapping/emails.ts'
import { looseFlag, looseList, looseText } from '../engine/loose-schema.ts'
import type {
  AccountContext,
  CreatedUser,
  CreateInput,
  FoundUser,
  HostRules,
  RemoteResponse,
  Unreadable,
} from '../provider.ts'
import { placeOf, toNaturalKey } from './request.ts'

/**
 * An id makes a user of an answer. Whatever else is odd about it must not turn a create that happened into an unknown
 * one.
 */
const identifiedSchema = z.looseObject({ id: z.string().min(1) })

const adminSchema = z.looseObject({
  name: looseText,
  // Admins without an address exist (meraki/automation-scripts#5).
  email: looseText,
  orgAccess: looseText,
  accountStatus: looseText,
  twoFactorAuthEnabled: looseFlag,
  lastActive: looseText,
  tags: looseList(z.looseObject({ tag: z.string(), access: z.string().nullish() })),
  networks: looseList(z.looseObject({ id: z.string(), access: z.string().nullish() })),
})

const networkUserSchema = z.looseObject({
  name: looseText,
  email: looseText,
  createdAt: looseText,
  accountType: looseText,
  isAdmin: looseFlag,
  authorizations: looseList(z.looseObject({ expiresAt: looseText })),
})

/** An invited admin cannot enter the organization before confirming. A status that Meraki adds later stays raw. */
const statuses: Readonly<Record<string, string>> = {
  ok: 'active',
  pending: 'invited',
  unverified: 'invited',
  locked: 'inactive',
}
const verified: Readonly<Record<string, boolean>> = { ok: true, locked: true, pending: false, unverified: false }

/** Answered with 201 by both resources. */
export function parseCreated(response: RemoteResponse): CreatedUser | undefined {
  const user = identifiedSchema.safeParse(response.body)
  return user.success ? { remoteId: user.data.id, body: response.body } : undefined
}

/** Admins without an address exist; one whose address cannot be read may be the one asked for. */
const entrySchema = identifiedSchema.extend({ email: z.string().nullish(), createdAt: looseText })

export function parseFound(
  response: RemoteResponse,
  input: CreateInput,
  account: AccountContext,
): FoundUser | Unreadable | undefined {
  if (!Array.isArray(response.body)) return 'unreadable'
  const entries = (response.body as unknown[]).map((body) => ({ body, user: entrySchema.safeParse(body).data }))
  // The list is of one place, so the address is enough.
  const wanted = toNaturalKey(input, account).sent.toLowerCase()
  const found = entries.find(({ user }) => user?.email?.toLowerCase() === wanted && user.email)
  if (found?.user) return { remoteId: found.user.id, createdAt: found.user.createdAt ?? null, body: found.body }
  // Neither list has pages as documented; a part of one would prove nothing.
  const isWhole = !/\brel="?next\b/.test(response.headers.link ?? '')
  return isWhole && entries.every(({ user }) => user !== undefined) ? undefined : 'unreadable'
}

export function toUser(body: unknown, input: CreateInput, account: AccountContext): UnifiedUser {
  const { organizationId, networkId } = placeOf(input, account)
  // By the record, not by the input: authorizations are on every network user, and on no admin.
  const isNetworkUser = z
    .looseObject({ authorizations: z.unknown().refine((value) => value !== undefined) })
    .safeParse(body).success
  return {
    id: identifiedSchema.parse(body).id,
    ...(isNetworkUser ? toNetworkUser(body, networkId) : toAdmin(body, organizationId)),
    organizations: organizationId === undefined ? [] : [{ id: organizationId }],
    // Neither record holds licences: Meraki licenses organizations and devices.
    licenses: [],
  }
}

function toAdmin(body: unknown, organizationId: string | undefined): Omit<UnifiedUser, 'id'> {
  const admin = adminSchema.safeParse(body).data ?? {}
  const { accountStatus, orgAccess } = admin
  return {
    name: admin.name ?? null,
    emails: toEmailList(admin.email),
    status: accountStatus ? (statuses[accountStatus] ?? accountStatus) : null,
    is_email_verified: accountStatus ? (verified[accountStatus] ?? null) : null,
    is_2fa_enabled: admin.twoFactorAuthEnabled ?? null,
    roles: [
      ...(orgAccess
        ? [{ id: orgAccess, name: orgAccess, ...(organizationId && { organization: organizationId }) }]
        : []),
      ...(admin.networks ?? []).map(({ id, access }) => ({ id: access ?? null, name: access ?? null, workspace: id })),
      ...(admin.tags ?? []).map(({ tag, access }) => ({ id: access ?? null, name: access ?? null, group: tag })),
    ],
    workspaces: (admin.networks ?? []).map(({ id }) => ({ id })),
    created_at: null,
    // '' for a person who never logged in.
    last_active_at: admin.lastActive || null,
  }
}

function toNetworkUser(body: unknown, networkId: string | undefined): Omit<UnifiedUser, 'id'> {
  const user = networkUserSchema.safeParse(body).data ?? {}
  const authorizations = user.authorizations ?? []
  // "Never" is not a date, so it is never in the past.
  const isExpired =
    authorizations.length > 0 && authorizations.every(({ expiresAt }) => Date.parse(expiresAt ?? '') < Date.now())
  return {
    name: user.name ?? null,
    emails: toEmailList(user.email),
    status: isExpired ? 'inactive' : 'active',
    roles: [...(user.isAdmin ? ['admin'] : []), ...(user.accountType ? [user.accountType] : [])].map((name) => ({
      id: name,
      name,
      ...(networkId && { workspace: networkId }),
    })),
    workspaces: networkId === undefined ? [] : [{ id: networkId }],
    created_at: user.createdAt ?? null,
  }
}

/**
 * The regions of the vendor's GettingStarted page (world, Canada, China, India, US government) with their shards
 * (n263.meraki.com).
 */
export const merakiHosts: HostRules = {
  patterns: [/^([a-z0-9-]+\.)*meraki\.(com|ca|cn|in)$/, /^([a-z0-9-]+\.)*gov-meraki\.com$/],
  allowsCustomDomain: false,
}

const redirects = [301, 302, 303, 307, 308]

/** Where a simulator runs. `connection.ts` goes there only when the operator's own list names the address. */
const loopbacks = ['127.0.0.1', 'localhost', '[::1]']

/**
 * The shard that holds the organization. The original method, body and Authorization go there, whatever the status: the
 * vendor's docs ask clients to keep them, and what follows a redirect by itself turns a POST into a GET (301, 302) or
 * drops Authorization.
 */
export function toRedirect({ status, headers }: RemoteResponse): string | undefined {
  const location = headers.location ?? ''
  // A relative address is the host that has just answered: no other to ask.
  if (!redirects.includes(status) || !URL.canParse(location)) return undefined
  const url = new URL(location)
  if (loopbacks.includes(url.hostname)) return url.origin
  const isMeraki =
    url.protocol === 'https:' && url.port === '' && merakiHosts.patterns.some((pattern) => pattern.test(url.hostname))
  return isMeraki ? url.origin : undefined
}
