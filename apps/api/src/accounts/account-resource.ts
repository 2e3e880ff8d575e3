import type { IntegratedAccountResource } from '@muster/contracts/integrated-account'
import type { AccountRecord } from '@muster/domain/account/record'

const time = (at: number): string => new Date(at).toISOString()

export const toAccountResource = (record: AccountRecord): IntegratedAccountResource => ({
  id: record.id,
  provider: record.provider,
  name: record.name,
  mode: record.mode ?? 'live',
  status: record.status,
  status_reason: record.statusReason,
  status_since: time(record.statusSince),
  credential_type: record.credentialType,
  config: record.config,
  limits: record.limits,
  cooldown:
    record.cooldown && record.cooldown.until > Date.now()
      ? { until: time(record.cooldown.until), reason: record.cooldown.reason }
      : null,
  created_at: time(record.createdAt),
  updated_at: time(record.updatedAt),
})
