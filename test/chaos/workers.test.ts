import { describeShortRun } from './short-run.ts'

/** Everything there is, at full scale: `npm run chaos`. */
describeShortRun('the promises under fire, in short: workers', [
  'failpoint after_intent',
  'failpoint after_provider_commit',
  'failpoint after_outcome',
  'poison-operation',
  'wrong-keys',
])
