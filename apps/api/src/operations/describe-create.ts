import { providerIds } from '@muster/contracts/provider-ids'
import { routes } from '@muster/contracts/routes'
import { describeCreate as describe } from '@muster/providers/engine/describe'
import { providerOf } from '@muster/providers/registry'
import { toAccountContext } from './create-input.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { notFound } from '../http/request-error.ts'
import { readOwnAccount } from '../http/own-records.ts'

export function describeCreate({ store, config }: ApiDependencies) {
  const retry = { maxAttempts: config.MUSTER_MAX_ATTEMPTS }
  return defineEndpoint(routes.describeCreate, async ({ caller, query }) => {
    if (query.integrated_account_id !== undefined) {
      const account = await readOwnAccount(store, caller, query.integrated_account_id)
      if (query.provider !== undefined && query.provider !== account.provider) throw notFound('integrated account')
      return {
        status: 200,
        body: describe(providerOf(account.provider), retry, { ...toAccountContext(account), limits: account.limits }),
      }
    }
    if (query.provider !== undefined) return { status: 200, body: describe(providerOf(query.provider), retry) }
    return { status: 200, body: { result: providerIds.map((id) => describe(providerOf(id), retry)) } }
  })
}
