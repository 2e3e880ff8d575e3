import { createHash } from 'node:crypto'
import type { ResponseView } from '@muster/contracts/response-format'
import { routes } from '@muster/contracts/routes'
import { isFinished } from '@muster/domain/operation/state'
import type { z } from 'zod'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { readOwnOperation } from '../http/own-records.ts'
import { toResource } from './operation-resource.ts'
import { waitForEnd } from './wait-for-end.ts'

export function readOperation(dependencies: ApiDependencies) {
  const { store } = dependencies
  return defineEndpoint(routes.readOperation, async ({ caller, params, query, headers, prefer, signal, leaveTurn }) => {
    const wait = { waitMs: prefer.waitMs, signal, leaveTurn }
    const record = await waitForEnd(dependencies, await readOwnOperation(store, caller, params.id), wait)
    const account = await store.accounts.read(record.head.accountId)
    const body = await toResource(store, record, account, toView(query))
    const etag = etagOf(body)
    const answered = {
      etag,
      'cache-control': 'private, no-cache',
      ...(isFinished(record.state) ? {} : { 'retry-after': '1' }),
    }
    return isNamed(headers['if-none-match'], etag)
      ? { status: 304, headers: answered }
      : { status: 200, headers: answered, body }
  })
}

/** The parts of the view that were asked for; the others are those of the create call. */
function toView(query: z.output<typeof routes.readOperation.query>): Partial<ResponseView> {
  return {
    ...(query.truto_response_format === undefined ? {} : { format: query.truto_response_format }),
    ...(query.truto_ignore_remote_data === undefined ? {} : { ignoreRemoteData: query.truto_ignore_remote_data }),
    ...(query.truto_exclude_fields === undefined ? {} : { excludeFields: query.truto_exclude_fields }),
  }
}

const etagOf = (body: unknown): string =>
  `"${createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 22)}"`

/** RFC 9110 section 13.1.2: compared weakly; `*` is any. */
function isNamed(ifNoneMatch: string | undefined, etag: string): boolean {
  return (ifNoneMatch ?? '').split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}
