import { runProcess } from '@muster/process/run-process'
import { readConfig, readUnknownSettings } from './config.ts'
import { startWorker } from './dependencies.ts'

await runProcess({
  name: 'The worker',
  portSetting: 'MUSTER_WORKER_PORT',
  start: async () => startWorker(readConfig()),
  unknownSettings: readUnknownSettings(),
})
