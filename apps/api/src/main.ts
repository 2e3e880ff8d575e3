import { setFlagsFromString } from 'node:v8'
import { runProcess } from '@muster/process/run-process'
import { createApp } from './app.ts'
import { readConfig, readUnknownSettings } from './config.ts'
import { startApi } from './dependencies.ts'

/**
 * The heap may grow by half before it is collected, where V8 would let it more than double: handles of ciphers and
 * deflates, eight per row, outlive the collection of young objects, and held 130 MB after 100,000 rows. Set here, so
 * that it holds however the API is started; V8 only warns of a flag it does not know.
 */
setFlagsFromString('--heap-growing-percent=50')

await runProcess({
  name: 'The API',
  portSetting: 'MUSTER_PORT',
  start: async () => startApi(readConfig(), createApp),
  unknownSettings: readUnknownSettings(),
})
