import { describeShortRun } from './short-run.ts'

describeShortRun('the promises of a batch under fire, in short: its upload is cut off by the death of the API', [
  'bulk-api-kill',
])
