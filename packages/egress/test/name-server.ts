import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** What it says of a name: addresses, silence, that it does not exist, or that it cannot say. */
export type NameAnswer = { addresses: string[]; ttl?: number } | 'silent' | 'not_found' | 'server_failure'

const A = 1
const AAAA = 28
const CODES = { not_found: 3, server_failure: 2 }

/** A name server on loopback, over UDP, that is asked by real resolvers. */
export async function startNameServer(answerFor: (name: string, type: 'A' | 'AAAA') => NameAnswer) {
  const questions: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const { name, type, end } = readQuestion(query)
    questions.push(name)
    const answer = answerFor(name, type === AAAA ? 'AAAA' : 'A')
    if (answer === 'silent') return
    const records = typeof answer === 'string' ? [] : recordsOf(answer, type)
    const header = Buffer.alloc(12)
    query.copy(header, 0, 0, 2)
    header.writeUInt16BE(0x8180 | (typeof answer === 'string' ? CODES[answer] : 0), 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(records.length, 6)
    socket.send(Buffer.concat([header, query.subarray(12, end), ...records]), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    /** As in MUSTER_NAME_SERVERS. */
    address: `127.0.0.1:${socket.address().port}`,
    /** The name of each question, in order; A and AAAA are two. */
    questions,
    close: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  }
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 }
}

function recordsOf({ addresses, ttl = 60 }: { addresses: string[]; ttl?: number }, type: number): Buffer[] {
  return addresses
    .filter((address) => type === (address.includes(':') ? AAAA : A))
    .map((address) => {
      const data = type === A ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address)
      const record = Buffer.alloc(12)
      // The name is the question's.
      record.writeUInt16BE(0xc00c, 0)
      record.writeUInt16BE(type, 2)
      record.writeUInt16BE(1, 4)
      record.writeUInt32BE(ttl, 6)
      record.writeUInt16BE(data.length, 10)
      return Buffer.concat([record, data])
    })
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::')
  const groupsOf = (part: string): string[] => part.split(':').filter(Boolean)
  const missing = 8 - groupsOf(head).length - groupsOf(tail).length
  const groups = [...groupsOf(head), ...Array.from({ length: missing }, () => '0'), ...groupsOf(tail)]
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex')
}
