// Creates one user and says what became of it: node examples/create-user.mjs [E-MAIL]
import { readFileSync } from 'node:fs'

const demo = process.env.MUSTER_URL ? undefined : JSON.parse(readFileSync('.muster/demo.json', 'utf8'))
const url = process.env.MUSTER_URL ?? demo.url
const apiKey = process.env.MUSTER_API_KEY ?? demo.api_key
const account = process.env.MUSTER_ACCOUNT ?? demo.integrated_accounts.okta
const email = process.argv[2] ?? `joan.${Date.now()}@example.com`

const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }

async function call(path, options) {
  const response = await fetch(url + path, { ...options, headers: { ...headers, ...options?.headers } })
  const body = await response.json()
  if (response.ok) return body
  // problem+json: `code` is stable, `errors` names each field, `hint` says what to do.
  for (const { pointer, detail } of body.errors ?? []) console.error(`${pointer}: ${detail}`)
  console.error(`${body.code}: ${body.detail} ${body.hint ?? ''} (request ${body.request_id})`)
  process.exit(1)
}

let operation = await call(`/unified/user-directory/users?integrated_account_id=${account}&reference=example`, {
  method: 'POST',
  // One key per create, whatever happens to the connection: sent again, it is the same operation.
  headers: { 'idempotency-key': email },
  body: JSON.stringify({ first_name: 'Joan', last_name: 'Clarke', emails: [{ email }] }),
})
while (operation.finished_at === null) operation = await call(operation.links.self, { headers: { prefer: 'wait=20' } })

for (const warning of operation.warnings) console.log(`note: ${warning.detail}`)
if (operation.status === 'succeeded') {
  console.log(`${operation.outcome}: ${operation.result.name}, id ${operation.remote_id} at ${operation.provider}`)
} else {
  console.error(`${operation.status}: ${operation.error.message} ${operation.error.hint}`)
  process.exitCode = 1
}
