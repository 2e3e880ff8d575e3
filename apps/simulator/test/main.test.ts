import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../src/config.ts'
import { vendors } from '../src/registry.ts'

const entry = fileURLToPath(new URL('../dist/main.js', import.meta.url))

function start(environment: Record<string, string>) {
  const child = spawn(process.execPath, [entry], { env: { ...process.env, ...environment } })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  return { child, output }
}

describe('the process (as built in dist)', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('says where it listens in one line, and leaves on %s', async (signal) => {
    const { child, output } = start({ MUSTER_SIMULATOR_PORT: '0' })
    await once(child.stdout, 'data')
    const ready = JSON.parse(output.stdout) as { msg: string; simulators: Record<string, string> }
    expect(ready.msg).toBe('listening')
    expect((await fetch(`${ready.simulators[vendors[0]?.id ?? '']}/__simulator/state`)).status).toBe(200)
    child.kill(signal)
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(output.stderr).toBe('')
  })

  it('says in one line that a port is taken', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    const { child, output } = start({ MUSTER_SIMULATOR_PORT: String(port - vendors.length + 1) })
    expect(await once(child, 'close')).toEqual([1, null])
    expect(output.stderr).toMatch(/^Simulators not started: .*EADDRINUSE.*\n$/)
    holder.close()
  })
})

describe('settings', () => {
  it('has defaults', () => {
    expect(readConfig({})).toEqual({ port: 9100, host: '127.0.0.1' })
  })

  it.each(['abc', '', '-1', '70000', '65535', '80.5'])('refuses the port %j in one line', (port) => {
    expect(() => readConfig({ MUSTER_SIMULATOR_PORT: port })).toThrow(/^Bad settings: MUSTER_SIMULATOR_PORT: [^\n]*$/)
  })
})
