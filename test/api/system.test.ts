import { describe, expect, test } from 'vitest'
import type { Route } from '../../packages/contracts/src/route.ts'
import { routes } from '../../packages/contracts/src/routes.ts'
import { systemRoutes } from '../../packages/contracts/src/system-routes.ts'
import { batchClientOf, itemsOf, toNdjson } from '../support/batch-client.ts'
import { startContract } from '../support/contract.ts'
import { newUser } from '../support/harness.ts'

type Json = Record<string, unknown>

/** Every value under a `$ref`, wherever it stands. */
function refsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : refsOf(inner),
  )
}

const { muster, client } = await startContract()

describe('health, metrics and the document', () => {
  const text = async (path: string) => {
    const response = await fetch(muster.url() + path)
    return {
      status: response.status,
      type: response.headers.get('content-type') ?? '',
      headers: response.headers,
      body: await response.text(),
    }
  }

  test('probes need no key and take any parameter', async () => {
    expect((await client.request('GET', '/healthz?probe=1', { key: null })).body).toEqual({ status: 'ok' })
    const ready = await client.request('GET', '/readyz', { key: null })
    expect({ status: ready.status, redis: ready.body.redis, draining: ready.body.draining }).toEqual({
      status: 200,
      redis: true,
      draining: false,
    })
    // The Redis of this test persists nothing, and says so.
    expect(ready.body.warnings).toEqual([expect.stringContaining('appendonly')])
  })

  test('metrics tell requests by route and status, and what was accepted and refused', async () => {
    const okta = await muster.connect('okta')
    await client.create(okta, newUser('okta'), { headers: { prefer: 'wait=20' } })
    await client.create(okta, {})
    const { status, type, body } = await text('/metrics')
    expect({ status, type: type.split(';')[0] }).toEqual({ status: 200, type: 'text/plain' })
    expect(body).toMatch(/muster_http_request_seconds_count\{route="createUser",status="201"\} 1/)
    expect(body).toMatch(/muster_operations_accepted_total\{provider="okta"\} 1/)
    expect(body).toMatch(/muster_operations_refused_total\{reason="validation_failed"\} 1/)
  })

  test('OpenAPI 3.1 holds every route with its statuses, and every reference leads somewhere', async () => {
    const { body: document } = await client.request<
      { openapi: string; paths: Record<string, Record<string, Json>> } & Json
    >('GET', '/openapi.json', { key: null })
    expect(document.openapi).toMatch(/^3\.1\./)
    for (const route of Object.values<Route>({ ...routes, ...systemRoutes })) {
      const operation = document.paths[route.path]?.[route.method]
      expect(operation?.operationId).toBe(route.id)
      expect(Object.keys(operation?.responses ?? {}), route.id).toEqual(Object.keys(route.responses))
      expect(operation?.security, route.id).toEqual(route.scope === null ? undefined : [{ api_key: [] }])
    }
    const refs = refsOf(document)
    expect(refs.length).toBeGreaterThan(20)
    for (const ref of refs) {
      const target = ref
        .replace(/^#\//, '')
        .split('/')
        .reduce<unknown>(
          (at, name) => (at as Json | undefined)?.[name.replaceAll('~1', '/').replaceAll('~0', '~')],
          document,
        )
      expect(target, ref).toEqual(expect.anything())
    }
  })

  test('the document says of a password that it is only ever written, and of the create call what it takes', async () => {
    const { body } = await client.request<Json>('GET', '/openapi.json')
    const schemas = (body.components as { schemas: Record<string, { properties: Record<string, Json> }> }).schemas
    expect(schemas.UnifiedUserInput?.properties.password).toMatchObject({ type: 'string', writeOnly: true })
    expect(schemas.UnifiedEmail?.properties.email).toMatchObject({ maxLength: 254, pattern: '^[^\\s@]+@[^\\s@]+$' })
    const create = (
      body.paths as Record<
        string,
        { post: { parameters: { name: string; in: string; required?: boolean; schema: Json }[] } }
      >
    )['/unified/user-directory/users']
    const parameters = new Map(create?.post.parameters.map((parameter) => [parameter.name, parameter]))
    for (const name of [
      'integrated_account_id',
      'truto_response_format',
      'truto_ignore_remote_data',
      'truto_exclude_fields',
      'remote_query',
      'organization_id',
      'workspace_id',
      'on_conflict',
      'dry_run',
      'not_before',
      'expires_at',
      'reference',
    ])
      expect(parameters.get(name)?.in, name).toEqual('query')
    for (const name of ['prefer', 'idempotency-key']) expect(parameters.get(name)?.in, name).toEqual('header')
    expect(parameters.get('integrated_account_id')?.required).toBe(true)
    expect(parameters.get('dry_run')?.schema).toEqual({ type: 'boolean', description: expect.any(String) as string })
    expect(parameters.get('truto_exclude_fields')?.schema).toMatchObject({ type: 'array', items: { type: 'string' } })
    expect(parameters.get('remote_query')).toMatchObject({ style: 'deepObject', explode: true })
  })

  test('the docs page loads from this server alone, under a policy that holds it to that', async () => {
    const page = await text('/docs')
    expect({ status: page.status, type: page.type.split(';')[0] }).toEqual({ status: 200, type: 'text/html' })
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'self'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).not.toContain('http')
    expect(page.body).not.toMatch(/https?:\/\/|src="\/\/|<script>|onload=/)
    const assets = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '')
    expect(assets).toHaveLength(4)
    for (const asset of assets) {
      const { status, type, headers } = await text(asset)
      expect({ status, xContentTypeOptions: headers.get('x-content-type-options') }, asset).toEqual({
        status: 200,
        xContentTypeOptions: 'nosniff',
      })
      expect(type).toMatch(asset.endsWith('.js') ? /javascript/ : asset.endsWith('.css') ? /css/ : /image/)
    }
  })

  test('a log line joins the request to its operation, in the API and in the worker', async () => {
    const okta = await muster.connect('okta')
    const { headers } = await client.create(okta, newUser('okta'), {
      headers: { prefer: 'wait=20', 'x-request-id': 'joined-up' },
    })
    const operationId = headers.get('location')?.replace('/operations/', '')
    for (const program of [muster.api, ...muster.workers])
      expect(await program.line((line) => line.request_id === 'joined-up')).toMatchObject({ operation_id: operationId })
  })

  test('a request id of the client comes back and stands in the problem; a harmful one does not', async () => {
    const given = await client.request('GET', '/operations/x', { headers: { 'x-request-id': 'trace-1.2_3' } })
    expect({ xRequestId: given.headers.get('x-request-id'), requestId: given.body.request_id }).toEqual({
      xRequestId: 'trace-1.2_3',
      requestId: 'trace-1.2_3',
    })
    const { headers } = await client.request('GET', '/operations/x', { headers: { 'x-request-id': '<script>' } })
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('HEAD is answered at once on every route that GET has, also where GET waits or never ends', async () => {
    const notBefore = `&not_before=${new Date(Date.now() + 3_600_000).toISOString()}`
    const okta = await muster.connect('okta')
    const { bulk } = batchClientOf(muster)
    const batch = await bulk(toNdjson(itemsOf('okta', 1)), { query: `integrated_account_id=${okta}${notBefore}` })
    const operation = await client.create<{ id: string }>(okta, newUser('okta'), { query: notBefore.slice(1) })
    const ids: Record<string, string> = {
      batches: batch.body.id,
      operations: operation.body.id,
      'integrated-accounts': okta,
    }
    const gets = Object.values<Route>({ ...routes, ...systemRoutes }).filter(({ method }) => method === 'get')
    for (const { path } of gets) {
      const noun = path.split('/')[1] ?? ''
      const target = path.replace('{id}', ids[noun] ?? '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b')
      const response = await fetch(muster.url() + target, {
        method: 'HEAD',
        headers: { authorization: `Bearer ${muster.owner.adminKey}`, prefer: 'wait=60' },
        signal: AbortSignal.timeout(5_000),
      }).catch((error: unknown) => expect.fail(`HEAD ${target}: ${String(error)}`))
      expect(response.status, path).toBe(path.includes('{id}') && !(noun in ids) ? 404 : 200)
      expect(await response.text(), path).toBe('')
    }
    expect(gets.length).toBeGreaterThan(10)
  })
})
