// Usage: node serve-in-memory-redis.mjs <folder that holds node_modules> <port>
import { createRequire } from 'node:module'
import { Server } from 'node:net'
import { join } from 'node:path'

const [folder, port] = process.argv.slice(2)

// The package listens on every address and takes no host: without this the data would be open to the network.
const listen = Server.prototype.listen
Server.prototype.listen = function listenLocally(portNumber) {
  return listen.call(this, { port: portNumber, host: '127.0.0.1' })
}

const { createRedisServer } = createRequire(join(folder, 'package.json'))('js-redis-server')
await createRedisServer({ port: Number(port) })
process.once('SIGTERM', () => process.exit(0))
