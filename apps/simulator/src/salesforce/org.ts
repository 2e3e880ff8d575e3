import type { Json, VendorContext } from '../framework/vendor.ts'
import { describePassword, type PasswordRecord } from '../framework/password.ts'
import { createId, toLongId, toTimestamp } from './identifiers.ts'
import { INTEGRATION_USERNAME, type SalesforceSettings } from './settings.ts'
import { userFields } from './user-fields.ts'

export type Row = Readonly<Record<string, Json | undefined>>

export interface SalesforceUser {
  readonly id: string
  readonly values: Row
  readonly password: PasswordRecord
}

export function createOrg({ settings, now }: VendorContext<SalesforceSettings>) {
  const id = createId('00D')
  const byId = new Map<string, SalesforceUser>()
  const byUsername = new Map<string, SalesforceUser>()

  const profiles = () => settings().profiles.map((profile) => ({ ...profile, id: toLongId(profile.id) }))
  const roles = () => settings().roles.map((role) => ({ ...role, id: toLongId(role.id) }))

  /**
   * Taken seats, by profile and by the flag of a feature licence: counted as users come and change, so that a create
   * costs the same among many.
   */
  const seats = new Map<string, number>()
  function countSeats({ values }: SalesforceUser, by: 1 | -1): void {
    if (values['IsActive'] !== true) return
    const flags = Object.keys(values).filter((name) => name.startsWith('UserPermissions') && values[name] === true)
    for (const key of [String(values['ProfileId']), ...flags]) seats.set(key, (seats.get(key) ?? 0) + by)
  }

  function put(user: SalesforceUser): SalesforceUser {
    const before = byId.get(user.id)
    if (before !== undefined) {
      countSeats(before, -1)
      byUsername.delete(String(before.values['Username']))
    }
    countSeats(user, 1)
    byId.set(user.id, user)
    byUsername.set(String(user.values['Username']), user)
    return user
  }

  /** Everything a record has beyond what was given. Nicknames that Salesforce makes up look like this one. */
  function add(given: Row, creatorId: string, baseUrl: string): SalesforceUser {
    const userId = createId('005')
    const at = toTimestamp(now())
    const photo = (size: string): string => `${baseUrl}/profilephoto/005/${size}`
    const values: Record<string, Json | undefined> = {
      // What is null is left out, since there can be very many users.
      ...Object.fromEntries(
        userFields(settings()).flatMap(({ name, initial }) => (initial === null ? [] : [[name, initial]])),
      ),
      CommunityNickname: `User${now()}${String(byId.size).padStart(7, '0')}`,
      ...given,
      Id: userId,
      Username: String(given['Username']).toLowerCase(),
      Name: [given['FirstName'], given['LastName']].filter(Boolean).join(' '),
      UserType: profiles().find((profile) => profile.id === given['ProfileId'])?.user_type ?? 'Standard',
      ...(settings().has_chatter
        ? { FullPhotoUrl: photo('F'), SmallPhotoUrl: photo('T'), MediumPhotoUrl: photo('M') }
        : {}),
      CreatedDate: at,
      CreatedById: creatorId || userId,
      LastModifiedDate: at,
      LastModifiedById: creatorId || userId,
      SystemModstamp: at,
    }
    return put({ id: userId, values, password: describePassword(undefined) })
  }

  const integrationUser = add(
    {
      Username: INTEGRATION_USERNAME,
      LastName: 'Integration',
      Email: INTEGRATION_USERNAME,
      Alias: 'integ',
      TimeZoneSidKey: 'America/Los_Angeles',
      LocaleSidKey: 'en_US',
      EmailEncodingKey: 'UTF-8',
      LanguageLocaleKey: 'en_US',
      ProfileId: profiles()[0]?.id ?? null,
    },
    '',
    '',
  )

  const users = (): SalesforceUser[] => [...byId.values()]

  return {
    id,
    integrationUser,
    profiles,
    roles,
    users,
    add,
    find: (userId: string): SalesforceUser | undefined => byId.get(userId),
    findByUsername: (username: string): SalesforceUser | undefined => byUsername.get(username.toLowerCase()),
    change(user: SalesforceUser, changes: Row, editorId: string): void {
      const at = toTimestamp(now())
      put({
        ...user,
        values: { ...user.values, ...changes, LastModifiedDate: at, LastModifiedById: editorId, SystemModstamp: at },
      })
    },
    setPassword(user: SalesforceUser, password: string): void {
      put({
        ...user,
        values: { ...user.values, LastPasswordChangeDate: toTimestamp(now()) },
        password: describePassword(password),
      })
    },
    /** Here or in another org; without regard to case. */
    isUsernameTaken(username: string): boolean {
      const key = username.toLowerCase()
      return byUsername.has(key) || settings().usernames_taken_elsewhere.some((taken) => taken.toLowerCase() === key)
    },
    isNicknameTaken: (nickname: string): boolean =>
      users().some(({ values }) => values['CommunityNickname'] === nickname),
    usedLicenses: (license: string): number =>
      profiles()
        .filter((profile) => profile.license === license)
        .reduce((sum, { id: profileId }) => sum + (seats.get(profileId) ?? 0), 0),
    usedFeatures: (flag: string): number => seats.get(flag) ?? 0,
  }
}
export type Org = ReturnType<typeof createOrg>
