import { parseAllowedHosts } from '@muster/contracts/allowed-hosts'
import { bounds, toLimits, type Limits } from '@muster/contracts/bounds'
import {
  boundSetting,
  logLevelSchema,
  parsedBy,
  portSchema,
  readSettings,
  redisUrlSchema,
} from '@muster/process/settings'
import { findUnknownSettings } from '@muster/process/unknown-settings'
import { parsePorts } from '@muster/egress/ports'
import { parseNameServers } from '@muster/egress/resolver'
import { Keyring } from '@muster/store/crypto/keyring'
import { z } from 'zod'

const storeSettings = {
  REDIS_URL: redisUrlSchema.default('redis://127.0.0.1:6379'),
  MUSTER_ENCRYPTION_KEYS: parsedBy((text) => Keyring.parse(text)),
}

export const apiSettingsSchema = z.object({
  ...storeSettings,
  MUSTER_HOST: z.string().default('127.0.0.1'),
  MUSTER_PORT: portSchema.default(8080),
  MUSTER_ALLOWED_HOSTS: z.string().default('').pipe(parsedBy(parseAllowedHosts)),
  MUSTER_ALLOWED_PORTS: z.string().default('').pipe(parsedBy(parsePorts)),
  MUSTER_NAME_SERVERS: z.string().default('').pipe(parsedBy(parseNameServers)),
  /** Half of them are kept for the first connection of each lane. */
  MUSTER_MAX_SOCKETS: z.coerce.number().int().min(2).max(100_000).default(2_000),
  MUSTER_RETENTION_DAYS: z.coerce.number().positive().max(365).default(7),
  MUSTER_DEFAULT_EXPIRY_HOURS: z.coerce
    .number()
    .positive()
    .max(24 * 30)
    .default(72),
  MUSTER_MAX_ATTEMPTS: z.coerce.number().int().min(1).max(100).default(20),
  MUSTER_WAIT_REPLICAS: z.coerce.number().int().min(0).max(10).default(0),
  MUSTER_MAX_BATCH_ROWS: z.coerce.number().int().min(1).max(1_000_000).default(100_000),
  MUSTER_MAX_UPLOAD_MB: z.coerce.number().int().min(1).max(2_000).default(100),
  /** Longer than a balancer keeps an idle connection, or it may send a request into one that is closing. */
  MUSTER_KEEP_ALIVE_SECONDS: z.coerce.number().int().min(1).max(3_600).default(75),
  /** How long requests are still served after SIGTERM: a balancer needs a few probes to notice. */
  MUSTER_DRAIN_SECONDS: z.coerce.number().min(0).max(300).default(5),
  MUSTER_MAX_ACCOUNTS: boundSetting('integratedAccounts'),
  MUSTER_MAX_WEBHOOK_ENDPOINTS: boundSetting('webhookEndpoints'),
  MUSTER_MAX_CALLBACK_HOSTS: boundSetting('callbackHosts'),
  MUSTER_MAX_PENDING_DELIVERIES: boundSetting('pendingDeliveries'),
  MUSTER_MAX_OPEN_BATCHES: boundSetting('openBatches'),
  MUSTER_MAX_BATCHES: boundSetting('batches'),
  MUSTER_MAX_OPEN_ROWS: boundSetting('openOperations'),
  MUSTER_MAX_OPEN_MB: boundSetting('openMegabytes'),
  MUSTER_MAX_KEPT_MB: boundSetting('keptMegabytes'),
  MUSTER_MAX_UPLOADS: boundSetting('uploads'),
  MUSTER_MAX_WAITS: boundSetting('waits'),
  /** Requests of one tenant handled at once; others wait. Eight times as many in total. */
  MUSTER_REQUESTS_AT_WORK: z.coerce.number().int().min(1).max(1_000).default(16),
  MUSTER_SHUTDOWN_GRACE_SECONDS: z.coerce.number().int().min(1).max(300).default(20),
  LOG_LEVEL: logLevelSchema.default('info'),
})
export type ApiConfig = z.infer<typeof apiSettingsSchema>

/** The limits of a tenant in this installation. */
export const limitsOf = (config: ApiConfig): Limits =>
  toLimits((name) => {
    const bound = bounds[name]
    return 'setting' in bound ? config[bound.setting.name] : bound.most
  })

export const bootstrapSettingsSchema = z.object(storeSettings)
const discardSettingsSchema = apiSettingsSchema.pick({
  REDIS_URL: true,
  MUSTER_ENCRYPTION_KEYS: true,
  MUSTER_RETENTION_DAYS: true,
})

export const readConfig = (): ApiConfig => readSettings(apiSettingsSchema, process.env)
export const readUnknownSettings = (): string[] => findUnknownSettings(process.env)
export const readBootstrapConfig = (): z.infer<typeof bootstrapSettingsSchema> =>
  readSettings(bootstrapSettingsSchema, process.env)
export const readDiscardConfig = (): z.infer<typeof discardSettingsSchema> =>
  readSettings(discardSettingsSchema, process.env)
