import { connect, createServer } from 'node:net'
import { Refusal } from './refusal.mjs'

/** True when a listener can be opened there now; someone may still take the port before it is used. */
export function isPortFree(port, host = '127.0.0.1') {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false)
      else reject(new Refusal(`cannot listen on ${host}: ${error.message}`))
    })
    // Exclusive, so that a port held through a shared handle counts as taken.
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** A port that was free a moment ago: callers that start a server on it try again when they lose the race. */
export function findFreePort(host = '127.0.0.1') {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port: 0, host, exclusive: true }, () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Whether anything answers there, whichever address it is bound to. */
export function isAnswering(port, host = '127.0.0.1', timeoutMs = 500) {
  return new Promise((resolve) => {
    const socket = connect({ port, host })
    const finish = (answers) => {
      socket.destroy()
      resolve(answers)
    }
    socket.setTimeout(timeoutMs, () => finish(false))
    socket.once('connect', () => finish(true))
    socket.once('error', () => finish(false))
  })
}
