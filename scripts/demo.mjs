import { existsSync, readFileSync } from 'node:fs'
import { writePrivately } from './data-folder.mjs'
import { demoFile } from './paths.mjs'
import { bootstrapTenant } from './services.mjs'

/**
 * The demo tenant: two test keys, the secret of its callbacks and one integrated account of mode test per simulator.
 * What
 *   `.muster/demo.json` remembers and the API
 * still knows is used again. The file is written after every step, so an interrupted start makes nothing twice.
 */
export async function prepareDemo({ startTool, env, url, simulators, say }) {
  const kept = readDemo()
  const demo = { url, ...(await findKeys(url, kept)), integrated_accounts: {}, simulators }
  if (!demo.api_key) {
    say('Making a demo tenant…')
    const { admin_api_key } = await bootstrapTenant({ startTool, env, tenant: 'demo', mode: 'test' })
    const { api_key } = await call(url, admin_api_key, 'POST', '/api-keys', {
      name: 'demo',
      scopes: ['provision', 'read'],
      mode: 'test',
    })
    Object.assign(demo, { api_key, admin_api_key })
  }
  save(demo)
  // Shown once, so a remembered one is all that can be had of it. It belongs to the tenant, as the keys do: with other
  // keys it is another's.
  demo.callback_secret ??= (
    await call(url, demo.admin_api_key, 'POST', '/callback-secret', { overlap_hours: 0 })
  ).secret
  save(demo)
  for (const [provider, simulatorUrl] of Object.entries(simulators)) {
    try {
      demo.integrated_accounts[provider] = await prepareAccount({
        demo,
        provider,
        simulatorUrl,
        keptId: kept.integrated_accounts?.[provider],
      })
      save(demo)
    } catch (error) {
      // The other providers are still worth having.
      if (!(error instanceof CallFailed)) throw error
      say(`No demo account for ${provider}: ${error.message}`)
    }
  }
  return demo
}

async function prepareAccount({ demo, provider, simulatorUrl, keptId }) {
  const { credentials, config: wanted } = await readSample(simulatorUrl)
  const found =
    keptId && (await call(demo.url, demo.admin_api_key, 'GET', `/integrated-accounts/${keptId}`, undefined, [404]))
  if (!found) {
    const body = { provider, name: `Demo ${provider}`, mode: 'test', credentials, config: wanted }
    return (await call(demo.url, demo.admin_api_key, 'POST', '/integrated-accounts', body)).id
  }
  // The simulators may have moved to other ports, and a simulator that was reset may have turned the account away.
  const change = {}
  const hasMoved = Object.entries(wanted).some(([name, value]) => found.config?.[name] !== value)
  if (hasMoved) change.config = wanted
  // Credentials go with an address: a new one asks for them again.
  if (hasMoved || found.status === 'needs_reauth' || found.status === 'permission_denied')
    change.credentials = credentials
  if (Object.keys(change).length > 0)
    await call(demo.url, demo.admin_api_key, 'PATCH', `/integrated-accounts/${keptId}`, change)
  return keptId
}

/** The credentials and the config that the simulator accepts. */
async function readSample(simulatorUrl) {
  const response = await fetch(`${simulatorUrl}/__simulator/sample`, { signal: AbortSignal.timeout(30_000) })
  if (response.ok) return response.json()
  throw new CallFailed(`GET /__simulator/sample answered ${response.status}`)
}

/**
 * The remembered keys and callback secret, or nothing when one of them is refused, as with another Redis than last
 * time.
 */
async function findKeys(url, { api_key, admin_api_key, callback_secret }) {
  for (const key of [api_key, admin_api_key]) {
    // Of an earlier version: they open accounts that are not of mode test, too.
    if (!key?.startsWith('mk_test_')) return {}
    const found = await call(url, key, 'GET', '/integrated-accounts', undefined, [401, 403])
    if (!found) return {}
  }
  return { api_key, admin_api_key, callback_secret }
}

/** A call whose answer was an error; one of `absent` resolves with undefined instead. */
async function call(url, key, method, path, body, absent = []) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  })
  const text = await response.text()
  if (response.ok) return text ? JSON.parse(text) : {}
  if (absent.includes(response.status)) return undefined
  throw new CallFailed(`${method} ${path} answered ${response.status} ${text.slice(0, 500)}`)
}

class CallFailed extends Error {
  name = 'CallFailed'
}

function readDemo() {
  if (!existsSync(demoFile)) return {}
  try {
    return JSON.parse(readFileSync(demoFile, 'utf8'))
  } catch {
    // Damaged by hand: created again.
    return {}
  }
}

function save(demo) {
  writePrivately(demoFile, `${JSON.stringify(demo, null, 2)}\n`)
}
