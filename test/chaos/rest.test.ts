import { describeShortRun } from './short-run.ts'

describeShortRun('the promises under fire, in short: the API, the network, the credentials', [
  'one-login-in-parallel',
  'api-kill-loop',
  'failpoint api after_accept',
  'credentials-revoked',
  'provider-network',
  'token-endpoint-stammers',
  'redis-out-of-memory',
  'redis-failover-kept-connections',
])
