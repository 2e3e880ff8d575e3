import type { Json, VendorRequest } from '../framework/vendor.ts'
import { authenticationMethods } from './settings.ts'

const TWO_FACTOR = ['use_system_setting', 'always_require', 'never_require']

/** The vendor's list of parameters and their types. What is not on it is ignored, as its API framework does. */
const TEXTS = [
  'username',
  'email',
  'name',
  'company',
  'notes',
  'language',
  'time_zone',
  'header_text',
  'tags',
  'password',
  'password_confirmation',
].concat(['imported_password_hash', 'group_ids', 'user_root', 'user_home', 'allowed_ips'])
const FLAGS = [
  'disabled',
  'bypass_user_lifecycle_rules',
  'site_admin',
  'readonly_site_admin',
  'workspace_admin',
  'partner_admin',
  'billing_permission',
].concat(
  [
    'restapi_permission',
    'ftp_permission',
    'sftp_permission',
    'dav_permission',
    'office_integration_enabled',
    'attachments_permission',
    'require_password_change',
  ],
  [
    'bypass_site_allowed_ips',
    'self_managed',
    'skip_welcome_screen',
    'subscribe_to_newsletter',
    'announcements_read',
    'receive_admin_alerts',
    'avatar_delete',
  ],
  [
    'notify_on_all_site_warnings',
    'notify_on_all_sso_failures',
    'notify_on_all_user_security_events',
    'notify_on_all_pending_work_failures',
  ],
  [
    'notify_on_all_siem_http_destination_failures',
    'notify_on_all_sync_failures',
    'notify_on_all_automation_failures',
    'notify_on_all_expectation_failures',
  ],
)
const NUMBERS = [
  'group_id',
  'primary_group_id',
  'sso_strategy_id',
  'password_validity_days',
  'partner_id',
  'workspace_id',
  'default_workspace_id',
].concat(
  [
    'notification_daily_send_time',
    'responsible_group_id',
    'responsible_user_id',
    'desktop_configuration_profile_id',
    'integration_centric_profile_id',
  ],
  ['ai_assistant_personality_id'],
)
const DATES = ['authenticate_until', 'require_login_by']
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  authentication_method: authenticationMethods,
  require_2fa: TWO_FACTOR,
  ssl_required: TWO_FACTOR,
  filesystem_layout: ['site_root', 'user_root', 'partner_root', 'integration_centric', 'workspace_root'],
  grant_permission: ['', 'full', 'read', 'write', 'list', 'read+write', 'list+write'],
}

export type Parameters = Readonly<Record<string, Json>>
export type ReadParameters =
  | { readonly parameters: Parameters }
  | { readonly refused: 'body' }
  | { readonly refused: 'value' | 'date'; readonly name: string }

/** JSON, or a form (the vendor's Ruby SDK). */
function parseBody({ body, headers }: VendorRequest): Record<string, unknown> | undefined {
  if (/^application\/x-www-form-urlencoded\b/i.test(headers['content-type'] ?? ''))
    return Object.fromEntries(new URLSearchParams(body))
  try {
    const parsed: unknown = body === '' ? {} : JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

const INVALID = Symbol('invalid')

function coerce(name: string, value: unknown): Json | typeof INVALID {
  if (value === null) return null
  if (TEXTS.includes(name)) return typeof value === 'string' ? value : INVALID
  // Forms carry flags and numbers as text, and the API reads them in JSON too.
  if (FLAGS.includes(name))
    return value === true || value === 'true' ? true : value === false || value === 'false' ? false : INVALID
  if (NUMBERS.includes(name))
    return Number.isInteger(value) || (typeof value === 'string' && /^-?\d+$/.test(value)) ? Number(value) : INVALID
  if (DATES.includes(name)) return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? value : INVALID
  return typeof value === 'string' && CHOICES[name]?.includes(value) ? value : INVALID
}

const isKnown = (name: string): boolean =>
  [TEXTS, FLAGS, NUMBERS, DATES].some((names) => names.includes(name)) || Object.hasOwn(CHOICES, name)

export function readParameters(request: VendorRequest): ReadParameters {
  const body = parseBody(request)
  if (body === undefined) return { refused: 'body' }
  const parameters: Record<string, Json> = {}
  for (const [name, value] of Object.entries(body)) {
    if (!isKnown(name)) continue
    const read = coerce(name, value)
    if (read === INVALID) return { refused: DATES.includes(name) ? 'date' : 'value', name }
    parameters[name] = read
  }
  return { parameters }
}
