const parentCheckEveryMs = 500

// npm passes a terminal's Ctrl-C on, so one key press arrives twice: only a later one means "at once".
const repeatAfterMs = 1_500

/**
 * Calls `first` with the name of the first signal that asks this process to stop, and `again` with a later one.
 * Under npm the end of the parent counts as one: npm hands a SIGTERM to the shell between it and this process, and
 * that shell dies of it without passing it on.
 */
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
  if (!process.env.npm_lifecycle_event) return
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    if (firstAt === undefined) first('the end of npm')
  }, parentCheckEveryMs)
  watch.unref()
}
