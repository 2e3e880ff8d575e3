import type { Json } from '../framework/vendor.ts'
import type { OktaUser, UserStatus } from './users.ts'

/** Which lifecycle and credential links Okta showed for a status in recorded answers. */
const LINKS: Readonly<Record<UserStatus, readonly string[]>> = {
  STAGED: ['activate'],
  PROVISIONED: ['suspend', 'resetPassword', 'reactivate', 'resetFactors', 'deactivate'],
  ACTIVE: ['suspend', 'resetPassword', 'resetFactors', 'deactivate'],
  PASSWORD_EXPIRED: ['suspend', 'resetPassword', 'resetFactors', 'deactivate'],
  DEPROVISIONED: ['activate', 'delete'],
}
/** Added where the user has a password and can use it. */
const PASSWORD_LINKS = ['forgotPassword', 'expirePassword', 'changeRecoveryQuestion', 'changePassword']
const LINK_PATHS: Readonly<Record<string, string>> = {
  resetPassword: '/lifecycle/reset_password',
  resetFactors: '/lifecycle/reset_factors',
  expirePassword: '/lifecycle/expire_password',
  forgotPassword: '/credentials/forgot_password',
  changeRecoveryQuestion: '/credentials/change_recovery_question',
  changePassword: '/credentials/change_password',
  delete: '',
}

/** The user as Okta answers it: recorded key order, absent attributes missing, two profile fields always there. */
export function renderUser(user: OktaUser, baseUrl: string, schemaId: string): Json {
  const self = `${baseUrl}/api/v1/users/${user.id}`
  const isUsable = user.status === 'ACTIVE' || user.status === 'PASSWORD_EXPIRED'
  const names = [...LINKS[user.status], ...(user.hasPassword && isUsable ? PASSWORD_LINKS : [])]
  const actions = names.map((name) => [
    name,
    {
      href: `${self}${LINK_PATHS[name] ?? `/lifecycle/${name}`}`,
      method: name === 'delete' ? 'DELETE' : 'POST',
    },
  ])

  return {
    id: user.id,
    status: user.status,
    created: user.created,
    activated: user.activated,
    statusChanged: user.statusChanged,
    // No sign-in is simulated.
    lastLogin: null,
    lastUpdated: user.lastUpdated,
    passwordChanged: user.passwordChanged,
    realmId: user.realmId ?? undefined,
    type: { id: user.typeId },
    // Only these two come as null when they were not given; other absent attributes are missing.
    profile: { mobilePhone: null, secondEmail: null, ...user.profile },
    credentials: {
      ...(user.hasPassword ? { password: {} } : {}),
      ...(user.recoveryQuestion === undefined ? {} : { recovery_question: { question: user.recoveryQuestion } }),
      provider: user.provider,
    },
    _links: {
      ...Object.fromEntries(actions),
      schema: { href: `${baseUrl}/api/v1/meta/schemas/user/${schemaId}` },
      self: { href: self },
      type: { href: `${baseUrl}/api/v1/meta/types/user/${user.typeId}` },
    },
  }
}
