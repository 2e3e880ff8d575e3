import { routes } from '@muster/contracts/routes'
import type { AccountRecord } from '@muster/domain/account/record'
import { accountLane } from '@muster/domain/lane-id'
import { refuseLargeAccount } from '@muster/store/accounts/accounts'
import type { z } from 'zod'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { readOwnAccount } from '../http/own-records.ts'
import { invalid, notFound } from '../http/request-error.ts'
import { checkPatch, findPatchProblems, patchConfig } from './check-account.ts'
import { showTested } from './test-account.ts'

type Patch = z.output<typeof routes.updateIntegratedAccount.body>

export function updateAccount(dependencies: ApiDependencies) {
  const { store, schedule, events, config } = dependencies
  const allowedHosts = config.MUSTER_ALLOWED_HOSTS
  return defineEndpoint(
    routes.updateIntegratedAccount,
    async ({ caller, params: { id }, query, body, signal }) => {
      const account = await readOwnAccount(store, caller, id)
      const problems = checkPatch(account, body.config, body.credentials, allowedHosts)
      if (problems.length > 0) throw invalid(problems)
      const now = Date.now()
      const change = (record: AccountRecord): AccountRecord => patchAccount(record, body, now)
      const written = body.credentials
        ? await store.accounts.replaceCredentials(id, body.credentials, change, now)
        : await store.accounts.update(id, change)
      if (!written) throw notFound('integrated account')
      events.nudge({ kind: 'account', id })
      // Before the lane may open: wrong credentials are met by the test, not by the first user.
      const tested = await showTested(
        dependencies,
        written,
        body.credentials !== undefined && query.test !== false,
        signal,
      )
      if (isNewStart(body)) await schedule.endCooldown(accountLane(id))
      await schedule.reload(accountLane(id))
      return { status: 200, body: tested }
    },
    async (refused) =>
      findPatchProblems(await readOwnAccount(store, refused.caller, refused.params.id), refused, allowedHosts),
  )
}

/** A cooldown was about the old credentials and limits; if it applies to the new ones, the provider will say so. */
const isNewStart = ({ credentials, limits }: Patch): boolean => credentials !== undefined || limits !== undefined

function patchAccount(record: AccountRecord, patch: Patch, now: number): AccountRecord {
  const next = {
    ...record,
    name: patch.name ?? record.name,
    config: patchConfig(record.config, patch.config),
    limits: patch.limits ?? record.limits,
    cooldown: isNewStart(patch) ? null : (record.cooldown ?? null),
    updatedAt: now,
  }
  refuseLargeAccount(next)
  return next
}
