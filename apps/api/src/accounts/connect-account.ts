import { routes } from '@muster/contracts/routes'
import type { AccountRecord } from '@muster/domain/account/record'
import { checkAccount } from '@muster/providers/engine/account-config'
import { providerOf } from '@muster/providers/registry'
import { v4 as uuidv4 } from 'uuid'
import type { z } from 'zod'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { checkMode } from '../http/own-records.ts'
import { invalid } from '../http/request-error.ts'
import { findNewAccountProblems } from './check-account.ts'
import { showTested } from './test-account.ts'

type Input = z.output<typeof routes.createIntegratedAccount.body>

export function connectAccount(dependencies: ApiDependencies) {
  const allowedHosts = dependencies.config.MUSTER_ALLOWED_HOSTS
  return defineEndpoint(
    routes.createIntegratedAccount,
    async ({ tenantId, caller, query, body, signal }) => {
      const problems = [
        ...checkMode(caller, body.mode),
        ...checkAccount(providerOf(body.provider), body.config ?? {}, body.credentials, allowedHosts),
      ]
      if (problems.length > 0) throw invalid(problems)
      const record = toNewAccount(tenantId, body, Date.now())
      await dependencies.store.accounts.create(record, body.credentials)
      return {
        status: 201,
        headers: { location: `/integrated-accounts/${record.id}` },
        body: await showTested(dependencies, record, query.test !== false, signal),
      }
    },
    async (refused) => findNewAccountProblems(refused, allowedHosts),
  )
}

const toNewAccount = (tenantId: string, body: Input, now: number): AccountRecord => ({
  id: uuidv4(),
  tenantId,
  provider: body.provider,
  name: body.name,
  ...(body.mode === 'test' ? { mode: body.mode } : {}),
  status: 'active',
  statusReason: null,
  statusSince: now,
  credentialType: body.credentials.type,
  credentialsVersion: 1,
  config: body.config ?? {},
  limits: body.limits ?? {},
  createdAt: now,
  updatedAt: now,
})
