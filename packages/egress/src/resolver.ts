import dns, { type LookupAddress } from 'node:dns'
import net from 'node:net'
import type { Lookup } from './address-guard.ts'
import { createHostsFile } from './hosts-file.ts'
import { FairGate } from './fair-gate.ts'

/** Names of one tenant that are asked for at the same time; more wait. */
const NAMES_PER_TENANT = 8
const NAMES_IN_ALL = 256
/** For one of a tenant's places, and then for the answer: together less than a connection may take to open. */
const WAIT_MS = 1_500
const QUERY_MS = 3_000
/** c-ares doubles it at the second try, so that both fit into QUERY_MS. */
const TRY_MS = 1_000
/** Once one family is known, the other is waited for no longer: some name servers leave AAAA unanswered. */
const OTHER_FAMILY_MS = 300
/** A host that moves is found at its new address after this time at the latest. */
const MOST_TTL_MS = 300_000
/** Of what was not found, not answered, or answered in part. */
const DOUBT_TTL_MS = 5_000
const CACHED_NAMES = 10_000

export interface ResolverOptions {
  /** `address` or `address:port`; the system's where there are none. */
  nameServers?: readonly string[]
  hostsFile?: string
}

export interface Resolver {
  /** Public names, asked for as they are written: no search domain is tried. */
  lookupFor(tenantId: string): Lookup
  /** Names that the operator allows to be private: what the name servers do not resolve is asked of the system. */
  lookupOfAllowed(tenantId: string): Lookup
}

interface Answer {
  addresses: LookupAddress[]
  /** `EAI_AGAIN`: no name server answered, or none in time. */
  failure?: 'ENOTFOUND' | 'EAI_AGAIN'
  ttlMs: number
}

/** Reads a comma-separated list of name servers; throws a `RangeError` that names the form. */
export function parseNameServers(list: string): readonly string[] {
  const servers = list
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
  if (!servers.every(isNameServer))
    throw new RangeError('must be IP addresses, each with or without a port, such as 10.0.0.2 or [fd00::2]:53')
  return servers
}

/** Node's `setServers` does not serve as the check: at port 0 it aborts the process, and it takes 99999 for another. */
function isNameServer(entry: string): boolean {
  const [, inBrackets, bare, port = '53'] = /^(?:\[(.+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(entry) ?? []
  const isAddress = inBrackets === undefined ? net.isIP(bare ?? entry) > 0 : net.isIPv6(inBrackets)
  return isAddress && Number(port) >= 1 && Number(port) <= 65_535
}

/**
 * Names to addresses without `dns.lookup`, whose look-ups share four threads in all and cannot be cut off: one silent
 * name server would stop every connection of the process. Here each name is one c-ares query with a limit of its own,
 * and each tenant has its own places.
 */
export function createResolver({ nameServers = [], hostsFile = '/etc/hosts' }: ResolverOptions = {}): Resolver {
  const names = new NameLookup(nameServers, createHostsFile(hostsFile))
  const lookup =
    (tenantId: string, isAllowed: boolean): Lookup =>
    (hostname, _options, callback) =>
      void names.resolve(tenantId, hostname, isAllowed).then(
        ({ addresses, failure }) =>
          failure
            ? callback(Object.assign(new Error(`${hostname} has no address: ${failure}`), { code: failure }), [])
            : callback(null, addresses),
        (error: Error) => callback(error, []),
      )
  return {
    lookupFor: (tenantId) => lookup(tenantId, false),
    lookupOfAllowed: (tenantId) => lookup(tenantId, true),
  }
}

class NameLookup {
  readonly #nameServers: readonly string[]
  readonly #fromHostsFile: (name: string) => LookupAddress[] | undefined
  readonly #cache = new AnswerCache()
  readonly #byTenant = new Map<string, Promise<Answer>>()
  readonly #byName = new Map<string, Promise<Answer>>()
  readonly #tenants = new FairGate({ perKey: NAMES_PER_TENANT, total: NAMES_IN_ALL })
  readonly #system = new FairGate({ perKey: 1, total: 1 })

  constructor(nameServers: readonly string[], fromHostsFile: (name: string) => LookupAddress[] | undefined) {
    this.#nameServers = nameServers
    this.#fromHostsFile = fromHostsFile
  }

  async resolve(tenantId: string, hostname: string, isAllowed: boolean): Promise<Answer> {
    const name = hostname.toLowerCase().replace(/\.$/, '')
    const fixed = literal(name) ?? this.#fromHostsFile(name) ?? localhost(name)
    if (fixed) return { addresses: fixed, ttlMs: 0 }
    const key = isAllowed ? `allowed ${name}` : name
    const ask = async (): Promise<Answer> => {
      const answer = await query(name, this.#nameServers)
      // Asked for without its search domain, a short name is refused by some servers rather than not found.
      return isAllowed && answer.failure ? this.#askSystem(name) : answer
    }
    return (
      this.#cache.get(key) ?? once(this.#byTenant, `${tenantId} ${key}`, () => this.#waitForPlace(tenantId, key, ask))
    )
  }

  async #waitForPlace(tenantId: string, name: string, ask: () => Promise<Answer>): Promise<Answer> {
    let leave
    try {
      leave = await this.#tenants.enter(tenantId, AbortSignal.timeout(WAIT_MS))
    } catch {
      return { addresses: [], failure: 'EAI_AGAIN', ttlMs: 0 }
    }
    try {
      const askAndKeep = async (): Promise<Answer> => this.#cache.keep(name, await ask())
      return this.#cache.get(name) ?? (await once(this.#byName, name, askAndKeep))
    } finally {
      leave()
    }
  }

  /** The one way of this process that takes a thread, and never more than one. */
  async #askSystem(name: string): Promise<Answer> {
    const limit = AbortSignal.timeout(QUERY_MS)
    const leave = await this.#system.enter('', limit).catch(() => undefined)
    const late: Answer = { addresses: [], failure: 'EAI_AGAIN', ttlMs: DOUBT_TTL_MS }
    if (!leave) return late
    return new Promise((resolve) => {
      limit.addEventListener('abort', () => resolve(late), { once: true })
      dns.lookup(name, { all: true }, (error, addresses) => {
        leave()
        if (error) resolve({ ...late, failure: error.code === 'ENOTFOUND' ? 'ENOTFOUND' : 'EAI_AGAIN' })
        else resolve({ addresses, ttlMs: DOUBT_TTL_MS })
      })
    })
  }
}

class AnswerCache {
  readonly #answers = new Map<string, { answer: Answer; until: number }>()

  get(name: string): Answer | undefined {
    const known = this.#answers.get(name)
    if (known && known.until > performance.now()) return known.answer
    this.#answers.delete(name)
    return undefined
  }

  keep(name: string, answer: Answer): Answer {
    const [oldest] = this.#answers.keys()
    if (this.#answers.size >= CACHED_NAMES && oldest !== undefined) this.#answers.delete(oldest)
    if (answer.ttlMs > 0) this.#answers.set(name, { answer, until: performance.now() + answer.ttlMs })
    return answer
  }
}

/** Joins what is under way under this key. */
function once(underWay: Map<string, Promise<Answer>>, key: string, ask: () => Promise<Answer>): Promise<Answer> {
  const joined = underWay.get(key)
  if (joined) return joined
  const asked = ask().finally(() => underWay.delete(key))
  underWay.set(key, asked)
  return asked
}

function literal(name: string): LookupAddress[] | undefined {
  const family = net.isIP(name)
  return family === 0 ? undefined : [{ address: name, family }]
}

/** RFC 6761: never a question for a name server. */
const localhost = (name: string): LookupAddress[] | undefined =>
  name === 'localhost' || name.endsWith('.localhost')
    ? [
        { address: '127.0.0.1', family: 4 },
        { address: '::1', family: 6 },
      ]
    : undefined

/** A resolver for each query, since c-ares can only cancel all of one. */
async function query(name: string, nameServers: readonly string[]): Promise<Answer> {
  const resolver = new dns.promises.Resolver({ timeout: TRY_MS, tries: 2 })
  if (nameServers.length > 0) resolver.setServers(nameServers)
  const cancel = (): void => resolver.cancel()
  const timers = [setTimeout(cancel, QUERY_MS)]
  const families = [resolver.resolve4(name, { ttl: true }), resolver.resolve6(name, { ttl: true })]
  Promise.any(families).then(
    () => timers.push(setTimeout(cancel, OTHER_FAMILY_MS)),
    () => undefined,
  )
  const settled = await Promise.allSettled(families)
  timers.forEach(clearTimeout)
  return toAnswer(settled)
}

/** IPv4 first: where only one family works it is most often this one, and a connection tries the other next to it. */
function toAnswer(settled: PromiseSettledResult<dns.RecordWithTtl[]>[]): Answer {
  const records = settled.flatMap((family) => (family.status === 'fulfilled' ? family.value : []))
  const isCertain = settled.every((family) => family.status === 'fulfilled' || isNotFound(family.reason))
  if (records.length === 0)
    return { addresses: [], failure: isCertain ? 'ENOTFOUND' : 'EAI_AGAIN', ttlMs: DOUBT_TTL_MS }
  const ttlMs = Math.min(...records.map(({ ttl }) => ttl * 1_000), isCertain ? MOST_TTL_MS : DOUBT_TTL_MS)
  return { addresses: records.map(({ address }) => ({ address, family: net.isIP(address) })), ttlMs }
}

/** The name does not exist, has no address of this family, or could not exist. */
const isNotFound = (error: unknown): boolean =>
  ['ENOTFOUND', 'ENODATA', 'EBADNAME'].includes(String((error as { code?: unknown }).code))
