import { describe, expect, test } from 'vitest'
import { startContract } from '../support/contract.ts'
import { batchClientOf } from '../support/batch-client.ts'

const { muster, client } = await startContract()
const okta = await muster.connect('okta')
const bulk = batchClientOf(muster)

interface Preview {
  requests: { body: { profile?: Record<string, unknown> } }[]
  warnings: { pointer: string | null; code: string }[]
  errors: { pointer: string; code: string; detail: string }[]
}

const person = (name: string) => ({ first_name: ' Ada\u00a0', last_name: 'Love\u200blace', emails: [{ email: name }] })

describe('the texts of a create', () => {
  test('lose the spaces at their ends, with a warning, or keep them', async () => {
    const user = { ...person('ada@example.com '), last_name: 'Lovelace', description: ' ' }
    const { status, body } = await client.create<Preview>(okta, user, { query: 'dry_run=true' })
    expect(status).toBe(200)
    expect(body.requests.at(-1)?.body.profile).toMatchObject({ firstName: 'Ada', email: 'ada@example.com' })
    expect(body.warnings.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/first_name', 'text_trimmed'],
      ['/emails/0/email', 'text_trimmed'],
      ['/description', 'text_blank'],
      ['/username', 'derived'],
    ])
    const kept = { ...user, emails: [{ email: 'ada@example.com' }] }
    const untrimmed = await client.create<Preview>(okta, kept, { query: 'dry_run=true&trim=false' })
    expect(untrimmed.body.requests.at(-1)?.body.profile).toMatchObject({ firstName: ' Ada\u00a0' })
  })

  test('are refused for what cannot be seen, by name and place, beside all else that is wrong', async () => {
    const user = { ...person('ada\u200b@example.com'), status: 'gone' }
    const { status, body } = await client.create<Preview>(okta, user)
    expect(status).toBe(422)
    expect(body.errors.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/last_name', 'invalid_text'],
      ['/emails/0/email', 'invalid_text'],
      ['/status', 'invalid_value'],
    ])
    expect(body.errors[0]?.detail).toContain('U+200B (zero width space) as its character 5')
  })

  test('of rows are checked alike, and the operation of a row shows what was changed', async () => {
    const rows = [
      { reference: ' r-1', user: { ...person(`ada${Date.now()}@example.com`), last_name: 'Lovelace' } },
      { user: person('ada@example.com') },
    ]
    const answer = await bulk.bulk(rows.map((row) => `${JSON.stringify(row)}\n`).join(''), {
      query: `integrated_account_id=${okta}`,
    })
    const [first, second] = await bulk.results((await bulk.completed(answer.body.id)).id)
    expect(second?.errors).toMatchObject([{ pointer: '/user/last_name', code: 'invalid_text' }])
    const { body } = await client.request<Preview>('GET', `/operations/${first?.operation_id}`)
    expect(body.warnings.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['?reference', 'text_trimmed'],
      ['/first_name', 'text_trimmed'],
      ['/username', 'derived'],
    ])
  })
})
