import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { vendors } from '../../apps/simulator/dist/registry.js'
import { benchFolder } from '../stack.mjs'

const firstNames = ['Ada', 'Grace', 'Katherine', 'Margaret', 'Radia', 'Barbara', 'Frances', 'Jean', 'Adele', 'Sophie']
const lastNames = [
  'Lovelace',
  'Hopper',
  'Johnson',
  'Hamilton',
  'Perlman',
  'Liskov',
  'Allen',
  'Bartik',
  'Goldberg',
  'Wilson',
]

/**
 * Person number `index` of a run: no two runs share one, and passwords are random, so that nothing deflates better than
 * in life.
 */
function toPerson(run, index) {
  const [firstName, lastName] = [firstNames[index % 10], lastNames[Math.floor(index / 10) % 10]]
  return {
    firstName,
    lastName,
    email: `${firstName}.${lastName}.${run}${index}@example.com`.toLowerCase(),
    reference: `HR-${run}-${index}`,
    password: `Aa1-${randomBytes(9).toString('base64url')}`,
  }
}

const samples = Object.fromEntries(vendors.map(({ id, sample }) => [id, sample]))
/** They take a password and need none: the typical row has one. */
const withPassword = new Set(['okta', 'files_com'])

/** What the provider needs of a person, and takes. */
function toUserOf(provider, person) {
  const { firstName: first_name, lastName: last_name, email, password } = person
  const user = samples[provider].user(email.split('@')[0])
  return {
    ...user,
    ...('name' in user ? { name: `${first_name} ${last_name}` } : { first_name, last_name }),
    ...(('password' in user || withPassword.has(provider)) && { password }),
    emails: [{ email }],
  }
}

async function writeLines(file, lines) {
  const stream = createWriteStream(file)
  for (const line of lines) if (!stream.write(line)) await once(stream, 'drain')
  stream.end()
  await once(stream, 'close')
  return file
}

/** The typical row, of a directory that takes all of it. */
export function writeCsv(run, count) {
  function* lines() {
    yield 'first_name,last_name,email,reference,password\n'
    for (let index = 0; index < count; index += 1) {
      const { firstName, lastName, email, reference, password } = toPerson(run, index)
      yield `${firstName},${lastName},${email},${reference},${password}\n`
    }
  }
  return writeLines(join(benchFolder, `${run}.csv`), lines())
}

/** The largest upload that is allowed: each row filled up with what people write about themselves. */
export function writeLargeNdjson(run, count, totalBytes) {
  const rowBytes = Math.floor(totalBytes / count)
  function* lines() {
    for (let index = 0; index < count; index += 1) {
      const person = toPerson(run, index)
      const row = {
        reference: person.reference,
        ...toUserOf('okta', person),
        remote_data: { profile: { aboutMe: '' } },
      }
      const missing = rowBytes - 1 - JSON.stringify(row).length
      row.remote_data.profile.aboutMe = randomBytes(Math.max(0, missing))
        .toString('base64url')
        .slice(0, Math.max(0, missing))
      yield `${JSON.stringify(row)}\n`
    }
  }
  return writeLines(join(benchFolder, `${run}.ndjson`), lines())
}

/**
 * Rows for several accounts, spread so that each gets its share of every stretch of the file. @param accounts `{ id,
 * provider, weight }`
 */
export function writeMixedNdjson(run, count, accounts) {
  const total = accounts.reduce((sum, { weight }) => sum + weight, 0)
  const due = accounts.map(() => 0)
  const rowsOf = accounts.map(() => 0)
  function* lines() {
    for (let index = 0; index < count; index += 1) {
      accounts.forEach(({ weight }, position) => (due[position] += weight / total))
      const next = due.indexOf(Math.max(...due))
      due[next] -= 1
      rowsOf[next] += 1
      const person = toPerson(run, index)
      const { id, provider } = accounts[next]
      yield `${JSON.stringify({ integrated_account_id: id, reference: person.reference, user: toUserOf(provider, person) })}\n`
    }
  }
  return writeLines(join(benchFolder, `${run}.ndjson`), lines()).then((file) => ({ file, rowsOf }))
}

/** The JSON of the typical row, in bytes: what it would take as it is. */
export function typicalRowBytes() {
  const person = toPerson('x', 12_345)
  return JSON.stringify({ reference: person.reference, ...toUserOf('okta', person) }).length
}

export const providers = vendors.map(({ id }) => id)
/** One more user, as the body of a single create. */
export const toUser = (provider, run, index) => toUserOf(provider, toPerson(run, index))

/** Settings under which a simulator refuses just what goes beyond these limits. */
export const toSimulatorSettings = (provider, { requests, per_seconds }) =>
  samples[provider].limitSettings({ requests, per_seconds })
