import net from 'node:net'
import type { AddressInfo } from 'node:net'

export interface FaultProxy {
  readonly port: number
  /** Added to every piece, each way, in milliseconds. */
  setLatency(latencyMs: number): void
  /**
   * Accepts and then passes nothing on, and answers nothing: the silence of a half-open connection. Ends when switched
   * off, as the connections do.
   */
  setSilent(isSilent: boolean): void
  /** Ends every connection by a TCP reset. */
  resetAll(): void
  /** New connections are reset at once. */
  setRefusing(isRefusing: boolean): void
  /** The next connections are reset after so many bytes of the answer. */
  cutAfter(bytes: number, times: number): void
  connections(): number
  /** New connections go to this port from now on. */
  retarget(port: number): void
  close(): Promise<void>
}

/** Stands between two processes on loopback and misbehaves on demand. */
export async function startFaultProxy(target: { host: string; port: number }): Promise<FaultProxy> {
  const pairs = new Set<{ client: net.Socket; server: net.Socket }>()
  let targetPort = target.port
  let latencyMs = 0
  let isSilent = false
  let isRefusing = false
  let cut: { bytes: number; times: number } | undefined

  const listener = net.createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => undefined)
    if (isRefusing) return void client.resetAndDestroy()
    const server = net.connect({ ...target, port: targetPort, allowHalfOpen: true })
    const pair = { client, server }
    pairs.add(pair)
    let left = cut && cut.times > 0 ? cut.bytes : Infinity
    if (cut && cut.times > 0) cut.times -= 1
    const forget = (): void => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    client.on('close', forget)
    server.on('close', forget)
    server.on('error', () => client.resetAndDestroy())
    const pass = (from: net.Socket, to: net.Socket, isAnswer: boolean): void => {
      from.on('data', (chunk: Buffer) => {
        if (isSilent) return
        const piece = isAnswer && chunk.length > left ? chunk.subarray(0, left) : chunk
        if (isAnswer) left -= chunk.length
        later(() => {
          if (!to.destroyed) to.write(piece)
          if (isAnswer && left < 0) {
            client.resetAndDestroy()
            server.destroy()
          }
        })
      })
      // Delayed like the data before it: an end that overtakes bytes would cut them off.
      from.on('end', () => later(() => !to.destroyed && to.end()))
    }
    pass(client, server, false)
    pass(server, client, true)
  })
  const later = (run: () => void): void => {
    if (latencyMs === 0) run()
    else setTimeout(run, latencyMs)
  }
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(0, '127.0.0.1', resolve)
  })
  const resetAll = (): void => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
  }
  return {
    port: (listener.address() as AddressInfo).port,
    setLatency: (milliseconds) => void (latencyMs = milliseconds),
    setSilent(silent) {
      isSilent = silent
      // Swallowed bytes are lost: a connection kept open would be out of step.
      if (!silent) resetAll()
    },
    resetAll,
    setRefusing: (refusing) => void (isRefusing = refusing),
    cutAfter: (bytes, times) => void (cut = { bytes, times }),
    connections: () => pairs.size,
    retarget: (port) => void (targetPort = port),
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve())
        resetAll()
      }),
  }
}
