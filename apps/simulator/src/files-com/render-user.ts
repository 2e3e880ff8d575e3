import type { Json } from '../framework/vendor.ts'
import type { FilesComSettings } from './settings.ts'
import type { FilesComUser } from './users.ts'

/**
 * The user as the vendor answers it: its 88 fields in the order of its own example. What has not happened yet is null.
 */
export function renderUser(user: FilesComUser, settings: FilesComSettings, now: number): Json {
  const { sent } = user
  const text = (name: string): Json => sent[name] ?? null
  const flag = (name: string, otherwise = false): Json => sent[name] ?? otherwise
  const isDisabled = sent['disabled'] === true
  const until = typeof sent['authenticate_until'] === 'string' ? Date.parse(sent['authenticate_until']) : NaN
  const isExpired = until <= now
  const hasPassword = user.password.has_password

  return {
    id: user.id,
    username: user.username,
    admin_group_ids: user.adminGroupIds,
    allowed_ips: text('allowed_ips'),
    attachments_permission: flag('attachments_permission', true),
    api_keys_count: 0,
    authenticate_until: text('authenticate_until'),
    authentication_method: user.authenticationMethod,
    avatar_url: null,
    // Documented: disabled users do not count.
    billable: !isDisabled,
    billing_permission: flag('billing_permission'),
    bypass_site_allowed_ips: flag('bypass_site_allowed_ips'),
    bypass_user_lifecycle_rules: flag('bypass_user_lifecycle_rules'),
    created_at: user.createdAt,
    dav_permission: flag('dav_permission', true),
    disabled: isDisabled,
    disabled_expired_or_inactive: isDisabled || isExpired,
    ai_assistant_personality_id: text('ai_assistant_personality_id'),
    desktop_configuration_profile_id: text('desktop_configuration_profile_id'),
    integration_centric_profile_id: text('integration_centric_profile_id'),
    email: text('email'),
    filesystem_layout: sent['filesystem_layout'] ?? 'site_root',
    first_login_at: null,
    ftp_permission: flag('ftp_permission', true),
    group_ids: user.groupIds.join(','),
    header_text: text('header_text'),
    language: sent['language'] ?? settings.language,
    last_login_at: null,
    last_web_login_at: null,
    last_ftp_login_at: null,
    last_sftp_login_at: null,
    last_dav_login_at: null,
    last_desktop_login_at: null,
    last_restapi_login_at: null,
    last_api_use_at: null,
    // Documented: the latest of login, API use, enablement and creation.
    last_active_at: user.createdAt,
    last_protocol_cipher: null,
    lockout_expires: null,
    name: text('name'),
    company: text('company'),
    notes: text('notes'),
    notification_daily_send_time: text('notification_daily_send_time'),
    office_integration_enabled: flag('office_integration_enabled', true),
    partner_admin: flag('partner_admin'),
    partner_id: text('partner_id'),
    partner_name: null,
    password_set_at: hasPassword ? user.createdAt : null,
    password_validity_days: text('password_validity_days'),
    primary_group_id: text('primary_group_id'),
    public_keys_count: 0,
    receive_admin_alerts: flag('receive_admin_alerts'),
    notify_on_all_site_warnings: flag('notify_on_all_site_warnings'),
    notify_on_all_sso_failures: flag('notify_on_all_sso_failures'),
    notify_on_all_user_security_events: flag('notify_on_all_user_security_events'),
    notify_on_all_pending_work_failures: flag('notify_on_all_pending_work_failures'),
    notify_on_all_siem_http_destination_failures: flag('notify_on_all_siem_http_destination_failures'),
    notify_on_all_sync_failures: flag('notify_on_all_sync_failures'),
    notify_on_all_automation_failures: flag('notify_on_all_automation_failures'),
    notify_on_all_expectation_failures: flag('notify_on_all_expectation_failures'),
    require_2fa: sent['require_2fa'] ?? 'use_system_setting',
    require_login_by: text('require_login_by'),
    active_2fa: false,
    require_password_change: flag('require_password_change'),
    password_expired: false,
    responsible_group_id: text('responsible_group_id'),
    responsible_user_id: text('responsible_user_id'),
    readonly_site_admin: flag('readonly_site_admin'),
    restapi_permission: flag('restapi_permission', true),
    self_managed: flag('self_managed', true),
    sftp_permission: flag('sftp_permission', true),
    site_admin: flag('site_admin'),
    workspace_admin: flag('workspace_admin'),
    site_id: settings.site_id,
    workspace_id: user.workspaceId,
    default_workspace_id: sent['default_workspace_id'] ?? 0,
    skip_welcome_screen: flag('skip_welcome_screen'),
    ssl_required: sent['ssl_required'] ?? 'use_system_setting',
    sso_strategy_id: text('sso_strategy_id'),
    subscribe_to_newsletter: flag('subscribe_to_newsletter'),
    externally_managed: false,
    tags: text('tags'),
    time_zone: text('time_zone'),
    type_of_2fa: null,
    type_of_2fa_for_display: null,
    user_root: text('user_root'),
    user_home: text('user_home'),
    days_remaining_until_password_expire: null,
    password_expire_at: null,
  }
}
