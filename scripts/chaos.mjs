// The check runs before anything else is loaded: newer syntax further down would fail first, and less clearly.
import './check-node.mjs'

import('./run-chaos.mjs').then((module) => module.runChaos(process.argv.slice(2)))
