import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import type { AccountContext, CreatedUser, CreateInput, FoundUser, RemoteResponse } from '../provider.ts'
import { isAddressOf } from './request.ts'
import { networkIdOf, organizationIdOf } from './target.ts'

/** An id makes a user of an answer. Whatever else is odd about it must not turn a create that happened into an unknown one. */
const identifiedSchema = z.looseObject({ id: z.string().min(1) })

const text = z.string().nullish().catch(null)
const flag = z.boolean().nullish().catch(null)
const list = <T extends z.ZodType>(item: T) => z.array(item).nullish().catch(null)

const adminSchema = z.looseObject({
  name: text,
  // Admins without an address exist (meraki/automation-scripts#5).
  email: text,
  orgAccess: text,
  accountStatus: text,
  twoFactorAuthEnabled: flag,
  lastActive: text,
  tags: list(z.looseObject({ tag: z.string(), access: z.string().nullish() })),
  networks: list(z.looseObject({ id: z.string(), access: z.string().nullish() })),
})

const networkUserSchema = z.looseObject({
  name: text,
  email: text,
  createdAt: text,
  accountType: text,
  isAdmin: flag,
  authorizations: list(z.looseObject({ expiresAt: text })),
})

/** An invited admin cannot enter the organization before confirming. A status that Meraki adds later stays raw. */
const statuses: Record<string, string> = { ok: 'active', pending: 'invited', unverified: 'invited', locked: 'inactive' }
const verified: Record<string, boolean> = { ok: true, locked: true, pending: false, unverified: false }

/** Answered with 201 by both resources. */
export function parseCreated(response: RemoteResponse): CreatedUser | undefined {
  const user = identifiedSchema.safeParse(response.body)
  return user.success ? { remoteId: user.data.id, body: response.body } : undefined
}

/** 404 says that the organization or network is not there for these credentials, and so nothing of the user: the list of a real one is empty at worst. */
export function isAbsent(): boolean {
  return false
}

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | undefined {
  if (!Array.isArray(response.body)) return undefined
  for (const body of response.body as unknown[]) {
    const user = identifiedSchema.extend({ email: text, createdAt: text }).safeParse(body)
    if (user.success && user.data.email && isAddressOf(input, user.data.email)) return { remoteId: user.data.id, createdAt: user.data.createdAt ?? null, body }
  }
  return undefined
}

export function toUser(body: unknown, input: CreateInput, account: AccountContext): UnifiedUser {
  const organizationId = organizationIdOf(input, account)
  // By the record, not by the input: authorizations are on every network user, and on no admin.
  const isNetworkUser = z.looseObject({ authorizations: z.unknown().refine((value) => value !== undefined) }).safeParse(body).success
  return {
    id: identifiedSchema.safeParse(body).data?.id ?? '',
    ...(isNetworkUser ? toNetworkUser(body, networkIdOf(input, account)) : toAdmin(body, organizationId)),
    organizations: organizationId === undefined ? [] : [{ id: organizationId }],
    // Neither record holds licences: Meraki licenses organizations and devices.
    licenses: [],
  }
}

const toEmails = (email: string | null | undefined) => (email ? [{ email, is_primary: true }] : [])

function toAdmin(body: unknown, organizationId: string | undefined): Omit<UnifiedUser, 'id'> {
  const admin = adminSchema.safeParse(body).data ?? {}
  const { accountStatus, orgAccess } = admin
  return {
    name: admin.name ?? null,
    emails: toEmails(admin.email),
    status: accountStatus ? (statuses[accountStatus] ?? accountStatus) : null,
    is_email_verified: accountStatus ? (verified[accountStatus] ?? null) : null,
    is_2fa_enabled: admin.twoFactorAuthEnabled ?? null,
    roles: [
      ...(orgAccess ? [{ id: orgAccess, name: orgAccess, ...(organizationId && { organization: organizationId }) }] : []),
      ...(admin.networks ?? []).map(({ id, access }) => ({ id: access ?? null, name: access ?? null, workspace: id })),
      ...(admin.tags ?? []).map(({ tag, access }) => ({ id: access ?? null, name: access ?? null, group: tag })),
    ],
    workspaces: (admin.networks ?? []).map(({ id }) => ({ id })),
    created_at: null,
    // '' for somebody who never came.
    last_active_at: admin.lastActive || null,
  }
}

function toNetworkUser(body: unknown, networkId: string | undefined): Omit<UnifiedUser, 'id'> {
  const user = networkUserSchema.safeParse(body).data ?? {}
  const authorizations = user.authorizations ?? []
  // "Never" is no date, so it never lies in the past.
  const isExpired = authorizations.length > 0 && authorizations.every(({ expiresAt }) => Date.parse(expiresAt ?? '') < Date.now())
  return {
    name: user.name ?? null,
    emails: toEmails(user.email),
    status: isExpired ? 'inactive' : 'active',
    roles: [...(user.isAdmin ? ['admin'] : []), ...(user.accountType ? [user.accountType] : [])].map((name) => ({ id: name, name, ...(networkId && { workspace: networkId }) })),
    workspaces: networkId === undefined ? [] : [{ id: networkId }],
    created_at: user.createdAt ?? null,
  }
}
