import { connect, createServer } from 'node:net'

/**
 * Why nothing can listen there now, in a few words; undefined when the port is free. It may still be taken before it is
 * used.
 */
export async function whyPortIsNotFree(port, host = '127.0.0.1') {
  // Where a listener on all addresses holds the port, some systems still let a second one bind a single address.
  if (await isAnswering(port, host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host)) return 'is taken'
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => {
      if (error.code === 'EADDRINUSE') resolve('is taken')
      else if (error.code === 'EACCES') resolve('may not be opened by this user')
      else resolve(`cannot be opened on ${host} (${error.code})`)
    })
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)))
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

function isAnswering(port, host) {
  return new Promise((resolve) => {
    const socket = connect({ port, host })
    const finish = (answers) => {
      socket.destroy()
      resolve(answers)
    }
    socket.setTimeout(500, () => finish(false))
    socket.once('connect', () => finish(true))
    socket.once('error', () => finish(false))
  })
}
