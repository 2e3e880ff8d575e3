import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Everything that `npm start` writes, but for what it installs and builds. */
export const dataFolder = join(root, '.muster')
export const logFile = (name) => join(dataFolder, 'logs', `${name}.log`)
export const redisFolder = join(dataFolder, 'redis')
export const redisPortFile = join(dataFolder, 'redis-port')
export const encryptionKeysFile = join(dataFolder, 'encryption-keys')
export const instanceFile = join(dataFolder, 'start.pid')
export const demoFile = join(dataFolder, 'demo.json')
export const inMemoryRedisFolder = join(dataFolder, 'in-memory-redis')
