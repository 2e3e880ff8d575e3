import type { Json } from '../framework/vendor.ts'
import type { ActiveCampaignSettings } from './settings.ts'
import type { ActiveCampaignUser } from './users.ts'

/** The links of a read user; the answer of a create has three more. */
const LINKS = ['lists', 'userGroup', 'dealGroupTotals', 'dealGroupUsers', 'configs']
const MORE_LINKS = ['dealConnection', 'userConversationsPermission', 'seatUser']
const GROUP_LINKS = ['userGroups', 'groupLimit', 'dealGroupGroups', 'listGroups', 'addressGroups', 'automationGroups']

const links = (self: string, names: readonly string[]): Json =>
  Object.fromEntries(names.map((name) => [name, `${self}/${name}`]))

const CLOCK = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'America/Chicago',
  hourCycle: 'h23',
  timeZoneName: 'longOffset',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})

/** 2022-02-02T16:01:44-06:00: whole seconds, with the offset of Chicago, where the vendor is. */
function toTimestamp(epochMs: number): string {
  const parts = Object.fromEntries(CLOCK.formatToParts(epochMs).map(({ type, value }) => [type, value]))
  const offset = (parts['timeZoneName'] ?? '').replace('GMT', '')
  return `${parts['year']}-${parts['month']}-${parts['day']}T${parts['hour']}:${parts['minute']}:${parts['second']}${offset}`
}

/** The answer of a create: with times, language and time zone; without phone and group. */
export const renderCreated = (user: ActiveCampaignUser, baseUrl: string): Json => ({
  username: user.username,
  email: user.email,
  firstName: user.firstName,
  lastName: user.lastName,
  lang: 'english',
  localZoneid: 'America/New_York',
  cdate: toTimestamp(user.createdAt),
  udate: toTimestamp(user.createdAt),
  links: links(`${baseUrl}/api/3/users/${user.id}`, [...LINKS, ...MORE_LINKS]),
  id: user.id,
})

/** Every other answer: the other way round. */
export const renderUser = (user: ActiveCampaignUser, baseUrl: string): Json => ({
  username: user.username,
  firstName: user.firstName,
  lastName: user.lastName,
  email: user.email,
  phone: '',
  signature: null,
  links: links(`${baseUrl}/api/3/users/${user.id}`, LINKS),
  id: user.id,
})

/** Flags and ids are text. The many flags about other resources are left out. */
export function renderGroup(group: ActiveCampaignSettings['groups'][number], baseUrl: string): Json {
  const flag = group.can_manage_users ? '1' : '0'
  return {
    title: group.title,
    descript: group.descript,
    p_admin: '1',
    pg_user_add: flag,
    pg_user_edit: flag,
    pg_user_delete: flag,
    links: links(`${baseUrl}/api/3/groups/${group.id}`, GROUP_LINKS),
    id: String(group.id),
  }
}
