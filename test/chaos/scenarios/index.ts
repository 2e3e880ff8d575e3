import type { Scenario } from '../scenario.ts'
import { apiScenarios } from './api-kills.ts'
import { bulkScenarios } from './bulk-faults.ts'
import { networkScenarios } from './network-faults.ts'
import { greedyScenarios } from './greedy-tenant.ts'
import { providerScenarios } from './provider-faults.ts'
import { redisScenarios } from './redis-faults.ts'
import { refusalScenarios } from './refusal-faults.ts'
import { slowAccountScenarios } from './slow-accounts.ts'
import { webhookScenarios } from './webhook-faults.ts'
import { workerKillScenarios } from './worker-kills.ts'
import { wrongKeyScenarios } from './wrong-keys.ts'

export const scenarios: readonly Scenario[] = [
  ...workerKillScenarios,
  ...apiScenarios,
  ...bulkScenarios,
  ...redisScenarios,
  ...providerScenarios,
  ...refusalScenarios,
  ...slowAccountScenarios,
  ...webhookScenarios,
  ...wrongKeyScenarios,
  ...networkScenarios,
  ...greedyScenarios,
]
