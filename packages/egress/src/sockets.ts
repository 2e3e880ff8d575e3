import { Client, type buildConnector } from 'undici'
import { FairGate } from './fair-gate.ts'

/** Who a call is made for: names are resolved on the tenant's account, connections opened on the lane's. */
export interface Caller {
  tenantId: string
  /** An account or a webhook endpoint. */
  laneId: string
}

export interface SocketsOptions {
  perLane: number
  total: number
  /** An unused connection is closed after this. */
  idleMs: number
  maxResponseBytes: number
  connectorFor(caller: Caller): buildConnector.connector
}

interface Socket {
  client: Client
  laneId: string
  origin: string
  idleTimer?: NodeJS.Timeout
  /** Settles when no connection is being opened any more. */
  dialing: Promise<void>
}

export interface LeasedSocket {
  client: Client
  /** Kept for the lane's next call to the same origin, or closed. */
  giveBack(isReusable: boolean): void
}

/**
 * The connections of this process. Each belongs to one lane, carries one call at a time and closes when it is idle; a
 * pool for each origin, as HTTP clients have it, would let one tenant's slow calls keep out another's.
 */
export class Sockets {
  readonly #options: SocketsOptions
  readonly #gate: FairGate
  readonly #open = new Set<Socket>()
  /** By lane, the longest idle first. */
  readonly #idle = new Map<string, Set<Socket>>()
  /** Open connections by lane. */
  readonly #counts = new Map<string, number>()

  constructor(options: SocketsOptions) {
    this.#options = options
    this.#gate = new FairGate({ perKey: options.perLane, total: options.total })
  }

  get size(): number {
    return this.#open.size
  }

  async take(caller: Caller, origin: string, signal: AbortSignal): Promise<LeasedSocket> {
    const leave = await this.#gate.enter(caller.laneId, signal)
    const socket = this.#reuse(caller.laneId, origin) ?? this.#create(caller, origin)
    return {
      client: socket.client,
      giveBack: (isReusable) => {
        if (isReusable) this.#rest(socket)
        else this.#discard(socket)
        void socket.dialing.then(leave)
      },
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#open].map((socket) => {
        clearTimeout(socket.idleTimer)
        return socket.client.close()
      }),
    )
  }

  #reuse(laneId: string, origin: string): Socket | undefined {
    const idle = [...(this.#idle.get(laneId) ?? [])].findLast((socket) => socket.origin === origin)
    if (idle) this.#wake(idle)
    return idle
  }

  #create(caller: Caller, origin: string): Socket {
    const { laneId } = caller
    // The gate has left room for this call; where every connection is open, some are idle.
    if ((this.#counts.get(laneId) ?? 0) >= this.#options.perLane) this.#discardIdle(laneId)
    if (this.#open.size >= this.#options.total) this.#discardIdle()
    const connect = this.#options.connectorFor(caller)
    const socket: Socket = {
      client: new Client(origin, {
        pipelining: 1,
        maxResponseSize: this.#options.maxResponseBytes,
        // One clock for the whole call: the caller's.
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: this.#options.idleMs,
        connect: (options, callback) => {
          socket.dialing = new Promise((resolve) =>
            connect(options, (...result) => {
              resolve()
              callback(...result)
            }),
          )
        },
      }),
      laneId,
      origin,
      dialing: Promise.resolve(),
    }
    this.#open.add(socket)
    this.#counts.set(laneId, (this.#counts.get(laneId) ?? 0) + 1)
    return socket
  }

  #rest(socket: Socket): void {
    const idle = this.#idle.get(socket.laneId) ?? new Set<Socket>()
    this.#idle.set(socket.laneId, idle.add(socket))
    socket.idleTimer = setTimeout(() => this.#discard(socket), this.#options.idleMs).unref()
  }

  #wake(socket: Socket): void {
    clearTimeout(socket.idleTimer)
    const idle = this.#idle.get(socket.laneId)
    idle?.delete(socket)
    if (idle?.size === 0) this.#idle.delete(socket.laneId)
  }

  #discardIdle(laneId?: string): void {
    const [idle] = laneId === undefined ? this.#idle.values() : [this.#idle.get(laneId)]
    const [oldest] = idle ?? []
    if (oldest) this.#discard(oldest)
  }

  #discard(socket: Socket): void {
    this.#wake(socket)
    if (!this.#open.delete(socket)) return
    const left = (this.#counts.get(socket.laneId) ?? 0) - 1
    if (left > 0) this.#counts.set(socket.laneId, left)
    else this.#counts.delete(socket.laneId)
    void socket.client.destroy().catch(() => undefined)
  }
}
