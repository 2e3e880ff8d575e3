import { readConfig } from './config.ts'
import { serveSimulators } from './framework/serve.ts'

try {
  const simulators = await serveSimulators(readConfig())
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      void simulators.close().then(() => process.exit(0))
    })
  }
  process.stdout.write(`${JSON.stringify({ msg: 'listening', simulators: simulators.urls })}\n`)
} catch (error) {
  // One line: a bad value or a taken port is for the operator to fix, and a stack would hide it.
  process.stderr.write(`Simulators not started: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
