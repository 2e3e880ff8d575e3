import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batchClientOf, itemsOf, recount, toNdjson } from '../support/batch-client.ts'
import { providerIds, type ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { newUser, startMuster, type Muster } from '../support/harness.ts'

describe('an upload in every format', () => {
  let muster: Muster
  let client: ReturnType<typeof batchClientOf>
  let accountOf: Record<ProviderId, string>
  beforeAll(async () => {
    muster = await startMuster()
    client = batchClientOf(muster)
    accountOf = Object.fromEntries(
      await Promise.all(providerIds.map(async (provider) => [provider, await muster.connect(provider)])),
    ) as typeof accountOf
    await muster.simulators.okta.set({ rate_limit: null })
  })
  afterAll(() => muster.close())
  const created = async (provider: ProviderId): Promise<number> =>
    (await muster.simulators[provider].ledger()).created.length

  test('one batch mixes all providers, each row with its own account, and counts rows by account', async () => {
    const before = await Promise.all(providerIds.map(created))
    const items = [0, 1, 2].flatMap(() =>
      providerIds.flatMap((provider) =>
        itemsOf(provider, 1).map((item): Record<string, unknown> => ({
          integrated_account_id: accountOf[provider],
          ...item,
        })),
      ),
    )
    const { status, headers, body } = await client.bulk(toNdjson(items))
    expect({ status, location: headers.get('location') }).toEqual({ status: 202, location: `/batches/${body.id}` })
    const batch = await client.completed(body.id)
    expect(batch.counts).toEqual({
      total: 18,
      rejected: 0,
      queued: 0,
      running: 0,
      retrying: 0,
      succeeded: 18,
      failed: 0,
      canceled: 0,
      expired: 0,
    })
    expect(batch.accounts.map(({ provider, counts }) => [provider, counts.succeeded])).toEqual(
      providerIds.map((provider) => [provider, 3]),
    )
    const results = await client.results(batch.id)
    expect(results.map(({ reference }) => reference)).toEqual(items.map(({ reference }) => reference))
    expect(recount(results)).toEqual(batch.counts)
    expect(await Promise.all(providerIds.map(created))).toEqual(before.map((count) => count + 3))
  })

  test.each(['ndjson', 'csv'])(
    'a short results file says its length, its number of rows, and where it ends (%s)',
    async (format) => {
      const { body } = await client.bulk(toNdjson(itemsOf('okta', 3)), {
        query: `integrated_account_id=${accountOf.okta}`,
      })
      const read = (endMark: string): Promise<Response> =>
        fetch(`${muster.url()}/batches/${body.id}/results?format=${format}&end_mark=${endMark}`, {
          headers: { authorization: `Bearer ${muster.owner.adminKey}` },
        })
      // Flags have several spellings.
      expect(await (await read('1')).text()).toContain('sha256:')
      expect(await (await read('0')).text()).not.toContain('sha256:')
      const response = await read('true')
      const bytes = Buffer.from(await response.arrayBuffer())
      expect(response.headers.get('content-length')).toBe(String(bytes.length))
      expect(response.headers.get('x-total-rows')).toBe('3')
      const lines = bytes.toString().trimEnd().split(/\r?\n/)
      expect(lines).toHaveLength(format === 'csv' ? 5 : 4)
      expect(lines.at(-1)).toMatch(format === 'csv' ? /^3,,end,sha256:[0-9a-f]{64},/ : /"row":3,"status":"end"/)
    },
  )

  test.each(['identity', 'gzip'])(
    'JSON, nested or flat, with options of each row over those of the query (%s)',
    async (encoding) => {
      const [nested, flat] = [newUser('okta'), newUser('okta')]
      const body = JSON.stringify({
        items: [
          { reference: 'nested', user: nested },
          { reference: 'flat', on_conflict: 'adopt', ...flat },
          { reference: 'elsewhere', integrated_account_id: accountOf.files_com, ...newUser('files_com') },
        ],
      })
      const answer = await client.bulk(encoding === 'gzip' ? gzipSync(body) : body, {
        type: 'application/json',
        query: `integrated_account_id=${accountOf.okta}&reference=march`,
        headers: { 'content-encoding': encoding },
      })
      const batch = await client.completed(answer.body.id)
      expect(batch).toMatchObject({ format: 'json', reference: 'march', counts: { total: 3, succeeded: 3 } })
      expect(
        (await client.results(batch.id)).map(({ line, reference, integrated_account_id, columns }) => [
          line,
          reference,
          integrated_account_id,
          columns,
        ]),
      ).toEqual([
        [null, 'nested', accountOf.okta, undefined],
        [null, 'flat', accountOf.okta, undefined],
        [null, 'elsewhere', accountOf.files_com, undefined],
      ])
    },
  )

  test('NDJSON skips empty lines, and a bad line is rejected alone with its number, pointer and reason', async () => {
    const good = itemsOf('okta', 3)
    const file = `\n${JSON.stringify(good[0])}\r\n{"user":\n${JSON.stringify({ user: newUser('okta'), colour: 'red' })}\n\n${JSON.stringify(good[1])}\n[]\n${JSON.stringify({ first_name: 7 })}\n${JSON.stringify(good[2])}`
    const batch = await client.completed(
      (await client.bulk(file, { query: `integrated_account_id=${accountOf.okta}` })).body.id,
    )
    expect(batch.counts).toMatchObject({ total: 7, rejected: 4, succeeded: 3 })
    const results = await client.results(batch.id)
    expect(results.map(({ row, line, status, error_code }) => [row, line, status, error_code])).toEqual([
      [1, 2, 'succeeded', null],
      [2, 3, 'rejected', 'malformed_json'],
      [3, 4, 'rejected', 'unknown_field'],
      [4, 6, 'succeeded', null],
      [5, 7, 'rejected', 'not_an_object'],
      [6, 8, 'rejected', expect.any(String)],
      [7, 9, 'succeeded', null],
    ])
    expect(results[2]?.errors?.[0]?.pointer).toBe('/colour')
    expect(results[5]?.errors?.map(({ pointer }) => pointer)).toContain('/user/first_name')
  })

  test('CSV with a byte order mark, quotes, line breaks in cells, paths and indexes reaches the provider as meant', async () => {
    const name = `csv${Date.now()}`
    const file = `\ufeffFirst Name,last_name,emails[0].email,emails[1].email,phones[0].number,remote_data.profile.costCenter,reference\r\n"Ada ""A."" ",Lovelace,${name}@example.com,,+49 30 1,"08\n15",r-1\r\n`
    const batch = await client.completed(
      (await client.bulk(file, { type: 'text/csv; charset=utf-8', query: `integrated_account_id=${accountOf.okta}` }))
        .body.id,
    )
    expect(batch.counts).toMatchObject({ total: 1, succeeded: 1 })
    const { users } = await muster.simulators.okta.state()
    expect(users.find((user) => JSON.stringify(user).includes(name))).toMatchObject({
      profile: { firstName: 'Ada "A."', lastName: 'Lovelace', costCenter: '08\n15' },
    })
    expect((await client.results(batch.id))[0]?.columns).toEqual({
      'First Name': 'Ada "A." ',
      last_name: 'Lovelace',
      'emails[0].email': `${name}@example.com`,
      'emails[1].email': '',
      'phones[0].number': '+49 30 1',
      'remote_data.profile.costCenter': '08\n15',
      reference: 'r-1',
    })
  })

  test('CSV as Excel writes it in most of Europe is read, or as its parameters say', async () => {
    const name = `hr${Date.now()}`
    const files: [string, string][] = [
      [`Vorname;Nachname;Geschäftliche E-Mail\r\nJürgen;Müller; ${name}@example.com \r\n;;\r\n`, ''],
      [`Vorname^Nachname^E-Mail\r\nJürgen^Müller^m${name}@example.com\r\n`, '&delimiter=%5E&charset=latin1&trim=true'],
    ]
    for (const [file, query] of files) {
      const { body } = await client.bulk(Buffer.from(file, 'latin1'), {
        type: 'text/csv',
        query: `integrated_account_id=${accountOf.okta}${query}`,
      })
      expect((await client.completed(body.id)).counts).toMatchObject({ total: 1, succeeded: 1 })
      expect(body.columns).toEqual([
        { header: 'Vorname', target: 'first_name', source: 'synonym' },
        { header: 'Nachname', target: 'last_name', source: 'synonym' },
        expect.objectContaining({ target: 'emails[0].email', source: expect.any(String) }),
      ])
      expect(body.problems).toEqual([])
    }
    const { users } = await muster.simulators.okta.state()
    for (const email of [`${name}@example.com`, `m${name}@example.com`])
      expect(users.find((user) => JSON.stringify(user).includes(`"${email}"`))).toMatchObject({
        profile: { firstName: 'Jürgen', lastName: 'Müller', email },
      })
  })

  test('rows to be mended come back as they were uploaded, and can be uploaded again', async () => {
    const name = `r${Date.now()}`
    const file = `Vorname;Nachname;E-Mail;Telefon\nAda;Lovelace;${name}@example.com;\nMary;Jackson;missing;+49 30 1\nJoan;Clarke;${name}x@example.com\nAda\n`
    const query = `integrated_account_id=${accountOf.okta}`
    const { body } = await client.bulk(file, { type: 'text/csv', query })
    expect(await client.completed(body.id)).toMatchObject({ outcome: 'some_failed' })
    const ask = '?format=csv&shape=upload&status=failed,rejected&delimiter=semicolon&bom=true'
    const mend = await client.text(`/batches/${body.id}/results${ask}`)
    expect(mend.replace('\ufeff', '')).toBe(
      `Vorname;Nachname;E-Mail;Telefon\r\nMary;Jackson;missing;'+49 30 1\r\nJoan;Clarke;${name}x@example.com\r\nAda\r\n`,
    )
    const mended = mend.replace('missing', `${name}y@example.com`).replace('x@example.com', 'x@example.com;')
    const again = await client.bulk(mended.replace('Ada\r\n', ''), { type: 'text/csv', query })
    expect((await client.completed(again.body.id)).counts).toMatchObject({ total: 2, succeeded: 2 })
    const { users } = await muster.simulators.okta.state()
    expect(JSON.stringify(users.find((user) => JSON.stringify(user).includes(`${name}y@`)))).toContain('"+49 30 1"')
  })

  test('results that cannot be had so are refused', async () => {
    const { body } = await client.bulk(toNdjson(itemsOf('okta', 1)), {
      query: `integrated_account_id=${accountOf.okta}`,
    })
    for (const [query, pointer] of [
      ['bom=true', '?bom'],
      ['format=ndjson&delimiter=tab', '?delimiter'],
      ['format=csv&shape=upload', '?shape'],
      ['status=failed,late', '?status[1]'],
    ])
      expect((await client.request('GET', `/batches/${body.id}/results?${query}`)).body).toMatchObject({
        code: 'validation_failed',
        errors: [{ pointer }],
      })
  })

  test('defaults fill what rows do not say, in every format', async () => {
    const name = `d${Date.now()}`
    const username = encodeURIComponent(`{first_name|ascii|lower}.{last_name|ascii|lower}{counter}.${name}@example.com`)
    const query = `integrated_account_id=${accountOf.okta}&defaults[username]=${username}&defaults[emails][0][type]=work&defaults[timezone]=Europe/Berlin`
    const rows = [1, 2].map((n) => ({
      first_name: 'Jürgen',
      last_name: 'Müller',
      emails: [{ email: `${name}.${n}@example.com` }],
    }))
    const csv = `Vorname,Nachname,E-Mail\n${rows.map(({ emails }) => `Jürgen,Groß,${emails[0]?.email}x`).join('\n')}\n`
    const answers = [await client.bulk(toNdjson(rows), { query }), await client.bulk(csv, { type: 'text/csv', query })]
    for (const { body } of answers) expect((await client.completed(body.id)).counts).toMatchObject({ succeeded: 2 })
    const { users } = await muster.simulators.okta.state()
    const logins = users.map((user) => (user as { profile: { login: string } }).profile.login)
    expect(logins.filter((login) => login.includes(name)).sort()).toEqual(
      ['gross', 'gross2', 'mueller', 'mueller2'].map((last) => `juergen.${last}.${name}@example.com`),
    )
  })

  test('problems are grouped alike in a dry run and an upload, and a row of another width comes back whole', async () => {
    const file = 'Vorname,Nachname,E-Mail,Notiz\nAda,L,missing,\nAda,L,absent,x\nAda,L,a@b.example,x,y\nAda\n'
    const options = { type: 'text/csv', query: `integrated_account_id=${accountOf.okta}&columns[Notiz]=` }
    const problems = [
      { code: 'invalid_format', column: 'E-Mail', count: 2, first_rows: [1, 2], example: 'missing' },
      { code: 'wrong_column_count', column: null, count: 2, first_rows: [3, 4], example: null },
    ]
    const dry = await client.bulk(file, { ...options, query: `${options.query}&dry_run=true` })
    expect(dry.body).toMatchObject({ rows: 4, valid: 0, problems })
    const { body } = await client.bulk(file, options)
    expect(body).toMatchObject({ problems, columns: dry.body.columns })
    expect((await client.results((await client.completed(body.id)).id)).map(({ columns }) => columns)).toMatchObject([
      { 'E-Mail': 'missing' },
      { 'E-Mail': 'absent' },
      { 'E-Mail': 'a@b.example', Notiz: 'x', 'cell 5': 'y' },
      { Vorname: 'Ada' },
    ])
  })

  test('columns are mapped in the request, or by a saved name, which the request can override; results have the columns of the client', async () => {
    const columns = { Vorname: 'first_name', Nachname: 'last_name', Mail: 'email', Notiz: '' }
    const { status, body } = await client.request('POST', '/column-mappings', { body: { name: 'hr', columns } })
    expect({ status, body }).toEqual({ status: 200, body: { name: 'hr', columns } })
    expect((await client.request('GET', '/column-mappings')).body).toEqual({
      result: [{ name: 'hr', columns }],
      next_cursor: null,
    })
    const file = (name: string): string => `Vorname,Nachname,Mail,Notiz\nAda,Lovelace,${name}@example.com,=1+1\n`
    const query = `integrated_account_id=${accountOf.okta}`
    const inRequest = Object.entries(columns)
      .map(([header, target]) => `columns[${header}]=${target}`)
      .join('&')
    for (const [name, mapping] of [
      ['mapped.a', inRequest],
      ['mapped.b', 'mapping=hr'],
      ['mapped.c', 'mapping=hr&columns[Notiz]=description'],
    ] as const) {
      const batch = await client.completed(
        (await client.bulk(file(name), { type: 'text/csv', query: `${query}&${mapping}` })).body.id,
      )
      expect({ name, succeeded: batch.counts.succeeded }).toEqual({ name, succeeded: 1 })
      // A spreadsheet would take the cell for a formula.
      expect(await client.text(`/batches/${batch.id}/results?format=csv`)).toMatch(
        new RegExp(
          `^Vorname,Nachname,Mail,Notiz,row,line,status,[^\\n]*\\r\\nAda,Lovelace,${name}@example.com,'=1\\+1,1,2,succeeded,`,
        ),
      )
    }
    expect((await client.request('DELETE', '/column-mappings/hr')).status).toBe(204)
    expect(
      (await client.bulk(file('mapped.d'), { type: 'text/csv', query: `${query}&mapping=hr` })).body.errors,
    ).toMatchObject([{ pointer: '?mapping', code: 'not_found' }])
  })

  test('password cells come back masked, whatever their column is called, and appear nowhere in the results', async () => {
    const file = `first_name,last_name,email,Initial,reference\nAda,Lovelace,masked.1@example.com,Canary-Horse-9,m-1\nAda,Lovelace,no-address,Canary-Horse-9,m-2\n`
    const answer = await client.bulk(file, {
      type: 'text/csv',
      query: `integrated_account_id=${accountOf.google_workspace}&columns[Initial]=password`,
    })
    const batch = await client.completed(answer.body.id)
    expect(batch.counts).toMatchObject({ rejected: 1, succeeded: 1 })
    for (const format of ['ndjson', 'csv']) {
      const text = await client.text(`/batches/${batch.id}/results?format=${format}`)
      expect(text).toContain('m-2')
      expect(text).not.toContain('Canary-Horse-9')
    }
  })

  test('a duplicate login in one upload is found, whatever its letter case, and only the first is created', async () => {
    const items = [newUser('okta', 'twice.a'), newUser('okta', 'twice.b'), newUser('okta', 'Twice.A')]
    const batch = await client.completed(
      (
        await client.bulk(JSON.stringify({ items }), {
          type: 'application/json',
          query: `integrated_account_id=${accountOf.okta}`,
        })
      ).body.id,
    )
    const [, , third] = await client.results(batch.id)
    expect(third).toMatchObject({
      status: 'rejected',
      error_code: 'duplicate_row',
      error_message: 'Row 1 creates the same login.',
    })
    expect(batch.counts).toMatchObject({ succeeded: 2, rejected: 1 })
  })

  test('the same login at two accounts is not a duplicate', async () => {
    const other = await muster.connect('files_com')
    const user = newUser('files_com')
    const batch = (
      await client.bulk(
        toNdjson([
          { integrated_account_id: accountOf.files_com, user },
          { integrated_account_id: other, user },
        ]),
      )
    ).body
    expect(batch.counts).toMatchObject({ total: 2, rejected: 0 })
    await client.completed(batch.id)
  })
})
