// Loaded before a program (node --import): ends it by SIGKILL at a named moment, so that no failpoint lives in the
// product. MUSTER_POISON: a program that sends these words to a provider dies, every time. MUSTER_FAILPOINT names the
// moment; MUSTER_FAILPOINT_FILE is made when it strikes, and it never strikes again while that file is there.
// MUSTER_FAILPOINT_SIGNAL=SIGSTOP freezes the program instead.
import { existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import { Keyring } from '../../packages/store/dist/crypto/keyring.js'
import { createRecordCodec } from '../../packages/store/dist/operations/record-codec.js'

const point = process.env.MUSTER_FAILPOINT
const mark = process.env.MUSTER_FAILPOINT_FILE

function strike(name) {
  if (name !== point || existsSync(mark)) return
  writeFileSync(mark, `${process.pid} ${new Date().toISOString()}`)
  const signal = process.env.MUSTER_FAILPOINT_SIGNAL ?? 'SIGKILL'
  process.kill(process.pid, signal)
  // Nothing more may run in the moment until the signal arrives; a frozen program continues when it is woken.
  if (signal === 'SIGKILL') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000)
}

const { decodeRecord } = createRecordCodec(Keyring.parse(process.env.MUSTER_ENCRYPTION_KEYS ?? ''))

/** The state in the sealed record of this operation; what else is sealed opens as another thing, or not at all. */
function stateIn(argument, operationId) {
  if (!Buffer.isBuffer(argument) || argument.length < 2) return undefined
  try {
    return decodeRecord('', operationId, argument).state
  } catch {
    return undefined
  }
}

/** Which write of the operation record a script call makes, by the state it carries. */
function writeOf(command) {
  if (command.name !== 'evalsha' && command.name !== 'eval') return undefined
  // Of rows that are accepted together, the first.
  const [, operationId] =
    command.args.map((argument) => /:operation:([\w-]{36})$/.exec(String(argument))).find(Boolean) ?? []
  const state = operationId && command.args.map((argument) => stateIn(argument, operationId)).find(Boolean)
  if (!state) return undefined
  const { status, attempts } = state
  const latest = attempts.at(-1)
  if (status === 'queued' && attempts.length === 0) return 'accept'
  if (status === 'running' && latest?.createSentAt && latest.outcome === null) return 'intent'
  if (status === 'running') return 'claim'
  if (status === 'succeeded' || status === 'failed') return 'outcome'
  return undefined
}

const require = createRequire(new URL('../../packages/store/package.json', import.meta.url))
const { Redis } = require('ioredis')
const sendCommand = Redis.prototype.sendCommand
Redis.prototype.sendCommand = function intercepted(command, ...rest) {
  const write = writeOf(command)
  if (write) strike(`before_${write}`)
  const sent = sendCommand.call(this, command, ...rest)
  // The reply settles the command's own promise; this runs before its callers continue.
  if (write)
    command.promise.then(
      () => strike(`after_${write}`),
      () => undefined,
    )
  // BullMQ's own scripts carry no state of ours: moving a job to completed is the acknowledgement.
  return sent
}

const poison = process.env.MUSTER_POISON

const write = net.Socket.prototype.write
net.Socket.prototype.write = function intercepted(chunk, ...rest) {
  const text =
    typeof chunk === 'string'
      ? chunk
      : Buffer.isBuffer(chunk) || chunk instanceof Uint8Array
        ? Buffer.from(chunk).subarray(0, 200).toString('latin1')
        : ''
  const isCreate =
    /^POST \/(api\/v1\/users|api\/3\/users|api\/rest\/v1\/users|admin\/directory|services\/data\/.*sobjects\/User|api\/v1\/organizations)/.test(
      text,
    )
  if (poison && /^POST \/|^\{/.test(text) && Buffer.from(chunk).includes(poison)) process.kill(process.pid, 'SIGKILL')
  const isDelivery = text.startsWith('POST ') && Buffer.from(chunk).includes('\r\nwebhook-id: ')
  const answer = write.call(this, chunk, ...rest)
  // The receiver has answered, and the record does not say so yet.
  if (isDelivery) this.once('data', () => strike('after_delivery'))
  if (isCreate) {
    this.once('data', () => strike('after_provider_commit'))
    strike('after_bytes_sent')
  }
  return answer
}
