import { relative } from 'node:path'
import { claimDataFolder, readEncryptionKeys } from './data-folder.mjs'
import { prepareDemo } from './demo.mjs'
import { buildSources, installDependencies } from './install.mjs'
import { demoFile, logFile, root } from './paths.mjs'
import { ChildEnded } from './processes.mjs'
import { checkGivenRedis, provideRedis } from './provide-redis.mjs'
import { Refusal } from './refusal.mjs'
import { startApi, startSimulators, startWorker } from './services.mjs'
import { readSettings } from './settings.mjs'
import { createStack } from './stack.mjs'
import { onStopSignal } from './stop-signals.mjs'

/** The provider of the example that is printed: its call needs the fewest fields. */
const exampleProvider = 'okta'

/** Where the example receivers listen. Webhooks reach no private address that is not allowed. */
const demoReceiver = '127.0.0.1:8090'

const usage = `Usage: npm start

Installs and builds what is missing, then runs Redis, the provider simulators, the API and one worker, with a demo
tenant. Everything it keeps is in .muster/; Ctrl-C stops all of it, and the next start finds its data again.

  MUSTER_PORT             port of the API (8080; 0 takes a free one)
  MUSTER_HOST             address of the API (127.0.0.1)
  MUSTER_WORKER_PORT      port of the worker's health and metrics (8081)
  MUSTER_SIMULATOR_PORT   first port of the simulators, one for each (9100)
  REDIS_URL               uses this Redis and starts none
  MUSTER_ENCRYPTION_KEYS  id:base64-of-32-bytes[,id:…]; the first one seals (made once and kept in .muster/)
  MUSTER_ALLOWED_HOSTS    more private host:port that providers and webhook receivers may be at, beside the simulators
                          and ${demoReceiver}, where the examples receive webhooks
  LOG_LEVEL               of the API and the worker`

// A worker is given 25 s to finish what it holds.
const graceMs = 30_000
const say = (line) => console.log(line)

/** `npm start`: runs until a signal stops it (exit code 0) or something fails (1). */
export async function runStart(args) {
  if (args.includes('--help') || args.includes('-h')) return say(usage)
  // With its terminal gone, writing fails; stopping in order matters more.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

  const stack = createStack()
  const stopped = new Promise((resolve) => onStopSignal({ first: resolve, again: stack.kill }))
  let release
  let isUp = false
  const bringUp = async () => {
    release = claimDataFolder()
    await startEverything(stack)
    isUp = true
  }
  const failed = bringUp().then(
    () => new Promise(() => {}),
    (error) => error,
  )
  const end = await Promise.race([stopped, failed, stack.failed])

  const failure = end instanceof Error ? end : undefined
  if (failure) explain(failure)
  else say(`\n${end}: stopping…`)
  await stack.stop({ graceMs })
  release?.()
  if (!failure) say('Stopped.')
  // Stopping what runs is success; stopping a start that was not done is not.
  process.exit(failure || !isUp ? 1 : 0)
}

async function startEverything(stack) {
  const startTool = stack.startTool
  const inStage = (stage) => (options) => stack.startService(stage, options)

  const settings = await readSettings()
  const encryptionKeys = readEncryptionKeys()
  await checkGivenRedis()
  await installDependencies({ start: startTool, logFile: logFile('install'), say })
  await buildSources({ start: startTool, logFile: logFile('build'), say })

  const redisUrl = await provideRedis({ startTool, startService: inStage(1), say })
  const simulators = await startSimulators({ startService: inStage(2), settings })
  const allowedHosts = [
    ...Object.values(simulators).map((url) => new URL(url).host),
    demoReceiver,
    process.env.MUSTER_ALLOWED_HOSTS,
  ]
  const env = {
    REDIS_URL: redisUrl,
    MUSTER_ENCRYPTION_KEYS: encryptionKeys,
    MUSTER_ALLOWED_HOSTS: allowedHosts.filter(Boolean).join(','),
    // No balancer is in front that would have to hear of a stop.
    MUSTER_DRAIN_SECONDS: process.env.MUSTER_DRAIN_SECONDS || '0',
  }
  const [url] = await Promise.all([
    startApi({ startService: inStage(3), settings, env }),
    startWorker({ startService: inStage(3), settings, env }),
  ])
  const demo = await prepareDemo({ startTool, env, url, simulators, say })
  say(welcome(demo))
}

function explain(error) {
  if (error instanceof ChildEnded) {
    console.error(
      `muster: ${error.message}. Its last lines${error.child.logFile ? ` (${relative(root, error.child.logFile)})` : ''}:`,
    )
    for (const line of error.child.lastLines()) console.error(`  ${line}`)
  } else {
    console.error(error instanceof Refusal ? `muster: ${error.message}` : error)
  }
}

function welcome(demo) {
  const provider = demo.integrated_accounts[exampleProvider]
    ? exampleProvider
    : Object.keys(demo.integrated_accounts)[0]
  const simulators = Object.entries(demo.simulators).map(([id, url]) => `    ${id.padEnd(18)}${url}`)
  const lines = [
    '',
    'Muster is running.',
    '',
    `  API           ${demo.url}`,
    `  Reference     ${demo.url}/docs`,
    `  Demo API key  ${demo.api_key}`,
    `  Accounts      ${relative(root, demoFile)} (keys, callback secret, integrated accounts, simulators)`,
    `  Logs          ${relative(root, logFile('api')).replace('api.log', '')}`,
    '  Simulators',
    ...simulators,
  ]
  if (provider) lines.push('', `Create a user in the simulated ${provider}:`, '', exampleCall(demo, provider))
  lines.push('', 'Ctrl-C stops everything; the next npm start finds its data again.')
  return lines.join('\n')
}

function exampleCall({ url, api_key, integrated_accounts }, provider) {
  // Another address at each start, so that pasting it does not end in user_exists.
  const email = `ada.${Math.random().toString(36).slice(2, 8)}@example.com`
  const user = { first_name: 'Ada', last_name: 'Lovelace', emails: [{ email, is_primary: true }] }
  return [
    `  curl -sS -X POST '${url}/unified/user-directory/users?integrated_account_id=${integrated_accounts[provider]}' \\`,
    `    -H 'Authorization: Bearer ${api_key}' \\`,
    "    -H 'Content-Type: application/json' -H 'Prefer: wait=10' \\",
    `    -d '${JSON.stringify(user)}'`,
  ].join('\n')
}
