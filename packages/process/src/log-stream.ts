import { destination, type DestinationStream } from 'pino'

/** How long lines wait for others, once one has just left. */
const TOGETHER_MS = 50
const CHUNK_BYTES = 8_192
/** What may wait for a reader that stands still. */
const MOST_BYTES = 1024 * 1024

export interface LogStream extends DestinationStream {
  flushSync(): void
}

/**
 * Lines of a log, written beside the event loop. One that comes alone leaves at once; many leave together, since a
 * write for each costs more than the line. What waits is written when the process ends itself; kill -9 loses it.
 * @param onDrop called with how many lines found no room, once there is room again
 */
export function createLogStream(fd: number, onDrop: (count: number) => void): LogStream {
  const stream = destination({ dest: fd, sync: false, minLength: CHUNK_BYTES, maxLength: MOST_BYTES })
  let timer: NodeJS.Timeout | undefined
  let waiting = 0
  let dropped = 0
  stream.on('drop', () => (dropped += 1))

  function flush(): void {
    if (waiting > 0) stream.flush()
    waiting = 0
  }
  function look(): void {
    timer = undefined
    const [count, had] = [dropped, waiting]
    dropped = 0
    flush()
    if (count > 0) onDrop(count)
    else if (had > 0) timer = setTimeout(look, TOGETHER_MS).unref()
  }

  return {
    write(line: string): void {
      stream.write(line)
      waiting += 1
      if (timer !== undefined) return
      flush()
      timer = setTimeout(look, TOGETHER_MS).unref()
    },
    flushSync: () => stream.flushSync(),
  }
}
