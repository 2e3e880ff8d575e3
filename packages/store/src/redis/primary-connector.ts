import { createConnection, type Socket, type TcpNetConnectOpts } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { AbstractConnector } from 'ioredis'

/** Of ioredis' options, those that say where Redis is. */
interface Address extends TcpNetConnectOpts {
  tls?: ConnectionOptions
  disconnectTimeout: number
}

/** A replica answers where a primary is needed: a failover left the connection, or the address, with the old one. */
export class NotPrimaryError extends Error {
  override readonly name = 'NotPrimaryError'
  readonly code = 'NOT_PRIMARY'
}

/**
 * A connection to a replica never becomes ready: it is closed and made again, with the pauses of any other failure,
 * until a primary answers. ioredis asks a connector for this, and its own one for a single Redis takes all.
 */
export const createPrimaryConnector = (onError: (error: Error) => void): new (options: unknown) => AbstractConnector =>
  class PrimaryConnector extends AbstractConnector {
    readonly #address: Address

    constructor(options: unknown) {
      const address = options as Address
      super(address.disconnectTimeout)
      this.#address = address
    }

    connect(): Promise<Socket> {
      const { host, port, family, tls } = this.#address
      const target = { host, port, family }
      this.connecting = true
      const stream = tls ? connectTls({ ...target, ...tls }) : createConnection(target)
      stream.once('error', (error) => (this.firstError = error))
      this.stream = stream
      return Promise.resolve(stream)
    }

    /** @param info Redis' INFO by field; empty where our user may not ask for it. */
    override check(info: { role?: string }): boolean {
      const isReplica = info.role === 'slave'
      if (isReplica) onError(new NotPrimaryError('this Redis is a replica'))
      return !isReplica
    }
  }
