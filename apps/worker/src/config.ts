import { hostname } from 'node:os'
import { parseAllowedHosts } from '@muster/contracts/allowed-hosts'
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
import { DEFAULT_SCHEDULE, parseSchedule } from '@muster/webhooks/schedule'
import { z } from 'zod'

export const workerSettingsSchema = z.object({
  REDIS_URL: redisUrlSchema.default('redis://127.0.0.1:6379'),
  MUSTER_ENCRYPTION_KEYS: parsedBy((text) => Keyring.parse(text)),
  MUSTER_ALLOWED_HOSTS: z.string().default('').pipe(parsedBy(parseAllowedHosts)),
  MUSTER_ALLOWED_PORTS: z.string().default('').pipe(parsedBy(parsePorts)),
  MUSTER_NAME_SERVERS: z.string().default('').pipe(parsedBy(parseNameServers)),
  /** Half of them is kept for the first connection of each lane. */
  MUSTER_MAX_SOCKETS: z.coerce.number().int().min(2).max(100_000).default(2_000),
  MUSTER_WORKER_HOST: z.string().default('127.0.0.1'),
  MUSTER_WORKER_PORT: portSchema.default(8081),
  MUSTER_WORKER_ID: z.string().min(1).optional(),
  MUSTER_MAX_LANES: z.coerce.number().int().min(1).max(10_000).default(1_000),
  MUSTER_MAX_ATTEMPTS: z.coerce.number().int().min(1).max(100).default(20),
  /** From an account's hold to the first check of its credentials; each further wait is twice as long. */
  MUSTER_RECHECK_SECONDS: z.coerce.number().int().min(1).max(86_400).default(60),
  /** Caps every provider's own time-out, which is 30 to 60 seconds. */
  MUSTER_PROVIDER_TIMEOUT_MS: z.coerce.number().int().min(100).max(300_000).optional(),
  MUSTER_RETENTION_DAYS: z.coerce.number().positive().max(365).default(7),
  /** How long health and metrics are still served at least after SIGTERM. */
  MUSTER_DRAIN_SECONDS: z.coerce.number().min(0).max(300).default(5),
  MUSTER_SHUTDOWN_GRACE_SECONDS: z.coerce.number().int().min(1).max(300).default(20),
  MUSTER_MAX_CALLBACK_HOSTS: boundSetting('callbackHosts'),
  MUSTER_MAX_PENDING_DELIVERIES: boundSetting('pendingDeliveries'),
  /** Seconds after each failed attempt; one attempt more than there are numbers. */
  MUSTER_WEBHOOK_SCHEDULE: z.string().default(DEFAULT_SCHEDULE).pipe(parsedBy(parseSchedule)),
  MUSTER_WEBHOOK_TIMEOUT_MS: z.coerce.number().int().min(100).max(60_000).default(15_000),
  MUSTER_WEBHOOK_DISABLE_AFTER_HOURS: z.coerce
    .number()
    .positive()
    .max(24 * 30)
    .default(120),
  LOG_LEVEL: logLevelSchema.default('info'),
})
export type WorkerConfig = z.infer<typeof workerSettingsSchema>

export const readConfig = (): WorkerConfig => readSettings(workerSettingsSchema, process.env)
export const readUnknownSettings = (): string[] => findUnknownSettings(process.env)

/** Names this process among all workers, now and in other containers that have the same process id. */
export const defaultWorkerId = (): string => `${hostname()}:${process.pid}:${Date.now().toString(36)}`
