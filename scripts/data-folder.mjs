import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dataFolder, encryptionKeysFile, instanceFile } from './paths.mjs'
import { Refusal } from './refusal.mjs'

/**
 * Makes `.muster/` and claims it for this process, since two Redis servers on one append-only file would ruin it.
 * Returns the function that gives it free again.
 */
export function claimDataFolder() {
  try {
    // Keys and data: for this user's eyes.
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
    return claim()
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal(`cannot write to ${dataFolder}: ${error.message}`)
  }
}

function claim() {
  for (;;) {
    const draft = `${instanceFile}.${process.pid}.draft`
    try {
      // A link appears with its content or not at all, and never over another one.
      writeFileSync(draft, `${process.pid}\n`)
      linkSync(draft, instanceFile)
      return () => rmSync(instanceFile, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    } finally {
      rmSync(draft, { force: true })
    }
    const pid = Number(readFileSync(instanceFile, 'utf8'))
    if (isStartProcess(pid))
      throw new Refusal(
        `Muster is already running here as process ${pid}: stop it with Ctrl-C in its terminal, or with kill ${pid}`,
      )
    // Left behind by a process that could not tidy up.
    rmSync(instanceFile, { force: true })
  }
}

// The number alone is not enough: after a reboot it may belong to anyone.
function isStartProcess(pid) {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
  const commandLine = `/proc/${pid}/cmdline`
  return existsSync(commandLine) ? readFileSync(commandLine, 'utf8').includes('start.mjs') : true
}

/**
 * The keys that seal credentials: from the environment, else made once and kept, since data sealed with them is kept
 * too.
 */
export function readEncryptionKeys() {
  if (process.env.MUSTER_ENCRYPTION_KEYS) return process.env.MUSTER_ENCRYPTION_KEYS
  if (!existsSync(encryptionKeysFile))
    writePrivately(encryptionKeysFile, `local:${randomBytes(32).toString('base64')}\n`)
  return readFileSync(encryptionKeysFile, 'utf8').trim()
}

/** Writes the whole file or nothing, readable by its owner alone. */
export function writePrivately(path, text) {
  const draft = `${path}.${process.pid}.draft`
  writeFileSync(draft, text, { mode: 0o600 })
  renameSync(draft, path)
}
