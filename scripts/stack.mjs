import { ChildEnded, startProcess } from './processes.mjs'

/**
 * The processes of one run in the order they were started, in stages: a later stage depends on the earlier ones,
 * so they stop from the last stage to the first, those of one stage side by side.
 */
export function createStack() {
  const children = []
  let isStopping = false
  let reportFailure
  /** Settles with a ChildEnded when a service ends without being stopped. */
  const failed = new Promise((resolve) => {
    reportFailure = resolve
  })

  function start(stage, options) {
    // A start that was interrupted half-way must not bring up more.
    if (isStopping) throw new Error(`${options.name} was not started: everything is being stopped`)
    const child = startProcess(options)
    children.push({ stage, child })
    return child
  }

  return {
    failed,
    /** Starts something that runs to its own end, such as an installer; the caller checks how it ended. */
    startTool: (options) => start(Infinity, options),
    /** Starts something that runs until it is stopped. */
    startService(stage, options) {
      const child = start(stage, options)
      void child.exited.then(() => {
        if (!isStopping) reportFailure(new ChildEnded(child))
      })
      return child
    },
    async stop({ graceMs }) {
      isStopping = true
      for (const stage of [...new Set(children.map((entry) => entry.stage))].sort((a, b) => b - a)) {
        await Promise.all(children.filter((entry) => entry.stage === stage).map(({ child }) => child.stop({ graceMs })))
      }
    },
    /** Ends everything at once, without asking. */
    kill() {
      isStopping = true
      for (const { child } of children) child.signal('SIGKILL')
    },
  }
}
