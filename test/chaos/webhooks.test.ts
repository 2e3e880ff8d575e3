import { describeShortRun } from './short-run.ts'

describeShortRun('the promises under fire, in short: webhooks', [
  'webhook-bad-receivers',
  'webhook-failpoint after_outcome',
  'webhook-failpoint after_delivery',
  'silent-name-server',
])
