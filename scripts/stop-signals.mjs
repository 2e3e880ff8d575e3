// npm passes a terminal's Ctrl-C on, so one key press arrives twice: only a later one means "at once".
const repeatAfterMs = 1_500

/** Calls `first` with the name of the first signal that asks this process to stop, and `again` with a later one. */
export function onStopSignal({ first, again }) {
  let firstAt
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (firstAt === undefined) {
        firstAt = Date.now()
        first(signal)
      } else if (Date.now() - firstAt > repeatAfterMs) {
        again(signal)
      }
    })
  }
}
