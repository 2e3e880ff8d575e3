import type { Json, VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { notFound, ok, salesforceError } from './answers.ts'
import { compare, holds } from './conditions.ts'
import { createId, normalizeId } from './identifiers.ts'
import type { Org, Row } from './org.ts'
import type { SalesforceSettings } from './settings.ts'
import { parseSoql, SoqlError, type Condition, type Literal, type Query } from './soql.ts'
import { userFields } from './user-fields.ts'

interface Table {
  readonly name: string
  readonly columns: readonly string[]
  rows(): Row[]
  /** The rows of an indexed column's value; undefined for other columns. */
  find?(column: string, value: Literal): Row[] | undefined
  /** Relationship, to its table and the column that holds the id. */
  readonly parents: Readonly<Record<string, readonly [table: string, column: string]>>
}

/** Salesforce's largest page; Sforce-Query-Options asks for smaller ones, down to 200. */
const PAGE = 2000

export function createQueries({ settings }: VendorContext<SalesforceSettings>, org: Org) {
  const cursors = new Map<string, Json[]>()

  const licenseId = (name: string): string => `100dM00000${name.replace(/\W/g, '').padEnd(8, '0').slice(0, 8)}`
  function tableOf(name: string): Table | undefined {
    switch (name.toLowerCase()) {
      case 'user':
        return {
          name: 'User',
          columns: userFields(settings()).map((field) => field.name),
          rows: () => org.users().map(({ values }) => values),
          find(column, value) {
            if (column !== 'Id' && column !== 'Username') return undefined
            const user =
              column === 'Id' ? org.find(normalizeId(String(value)) ?? '') : org.findByUsername(String(value))
            return user === undefined ? [] : [user.values]
          },
          parents: {
            Profile: ['Profile', 'ProfileId'],
            UserRole: ['UserRole', 'UserRoleId'],
            CreatedBy: ['User', 'CreatedById'],
            Manager: ['User', 'ManagerId'],
          },
        }
      case 'profile':
        return {
          name: 'Profile',
          columns: ['Id', 'Name', 'UserType', 'UserLicenseId'],
          rows: () =>
            org.profiles().map(({ id, name: label, user_type, license }) => ({
              Id: id,
              Name: label,
              UserType: user_type,
              UserLicenseId: licenseId(license),
            })),
          parents: { UserLicense: ['UserLicense', 'UserLicenseId'] },
        }
      case 'userrole':
        if (!settings().may_read_roles) return undefined
        return {
          name: 'UserRole',
          columns: ['Id', 'Name', 'DeveloperName', 'PortalType'],
          rows: () =>
            org.roles().map((role) => ({
              Id: role.id,
              Name: role.name,
              DeveloperName: role.developer_name,
              PortalType: role.user_type === 'PowerPartner' ? 'Partner' : 'None',
            })),
          parents: {},
        }
      case 'userlicense':
        return {
          name: 'UserLicense',
          columns: ['Id', 'Name', 'MasterLabel', 'Status', 'TotalLicenses', 'UsedLicenses'],
          rows: () =>
            settings().licenses.map((license) => ({
              Id: licenseId(license.name),
              Name: license.name,
              MasterLabel: license.name,
              Status: 'Active',
              TotalLicenses: license.total,
              UsedLicenses: org.usedLicenses(license.name),
            })),
          parents: {},
        }
      default:
        return undefined
    }
  }

  /** Names are taken in any case and answered in the vendor's own; a parent's comes as `Profile.Name`. */
  function resolve(table: Table, path: string): string[] {
    const [first = '', ...rest] = path.split('.')
    if (first.toLowerCase() === table.name.toLowerCase() && rest.length > 0 && !(first in table.parents))
      return resolve(table, rest.join('.'))
    const find = (names: readonly string[]) => names.find((name) => name.toLowerCase() === first.toLowerCase())
    if (rest.length === 0) {
      const column = find(table.columns)
      if (column === undefined)
        throw new FieldError(
          `No such column '${first}' on entity '${table.name}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name.`,
        )
      return [column]
    }
    const relation = find(Object.keys(table.parents))
    const parent = relation === undefined ? undefined : tableOf(table.parents[relation]?.[0] ?? '')
    if (relation === undefined || parent === undefined)
      throw new FieldError(`Didn't understand relationship '${first}' in field path.`)
    return [relation, ...resolve(parent, rest.join('.'))]
  }

  function parentOf(table: Table, row: Row, relation: string): { table: Table; row: Row } | undefined {
    const [name = '', column = ''] = table.parents[relation] ?? []
    const parent = tableOf(name)
    if (parent === undefined) return undefined
    const id = row[column]
    const [found] =
      (typeof id === 'string' ? parent.find?.('Id', id) : undefined) ??
      parent.rows().filter((candidate) => candidate['Id'] === id)
    return found && { table: parent, row: found }
  }

  function valueOf(table: Table, row: Row, [first = '', ...rest]: string[]): Json {
    if (rest.length === 0) return row[first] ?? null
    const parent = parentOf(table, row, first)
    return parent === undefined ? null : valueOf(parent.table, parent.row, rest)
  }

  function render(table: Table, row: Row, paths: readonly string[][], version: string): Json {
    const record: Record<string, Json | undefined> = {
      attributes: { type: table.name, url: `/services/data/${version}/sobjects/${table.name}/${String(row['Id'])}` },
    }
    for (const [first = '', ...rest] of paths) {
      if (rest.length === 0) record[first] = row[first] ?? null
      else if (!(first in record)) {
        const parent = parentOf(table, row, first)
        const inner = paths
          .filter(([relation, ...more]) => relation === first && more.length > 0)
          .map(([, ...more]) => more)
        record[first] = parent === undefined ? null : render(parent.table, parent.row, inner, version)
      }
    }
    return record
  }

  function run(query: Query, version: string): Json[] {
    const table = tableOf(query.object)
    if (table === undefined) throw new TypeNameError(`sObject type '${query.object}' is not supported.`)
    const paths = query.fields.map((field) => resolve(table, field))
    const { condition } = query
    const known = new Map<string, string[]>()
    const pathOf = (field: string): string[] => {
      const path = known.get(field) ?? resolve(table, field)
      known.set(field, path)
      return path
    }
    const candidates = (condition && indexed(condition, table, pathOf)) ?? table.rows()
    const rows = candidates.filter(
      (row) => condition === undefined || holds(condition, (field) => valueOf(table, row, pathOf(field))),
    )
    const order = query.order.map(({ field, isDescending }) => ({
      path: resolve(table, field),
      sign: isDescending ? -1 : 1,
    }))
    if (order.length > 0) {
      rows.sort((left, right) => {
        for (const { path, sign } of order) {
          const difference = compare(valueOf(table, left, path), valueOf(table, right, path))
          if (difference !== 0) return difference * sign
        }
        return 0
      })
    }
    return rows
      .slice(query.offset, query.limit === undefined ? undefined : query.offset + query.limit)
      .map((row) => render(table, row, paths, version))
  }

  function page(
    records: Json[],
    total: number,
    start: number,
    version: string,
    size: number,
    cursor: string,
  ): VendorResponse {
    const rest = records.slice(start + size)
    const isDone = rest.length === 0
    return ok({
      totalSize: total,
      done: isDone,
      ...(isDone ? {} : { nextRecordsUrl: `/services/data/${version}/query/${cursor}-${start + size}` }),
      records: records.slice(start, start + size),
    })
  }

  function pageSize(request: VendorRequest): number {
    const wanted = Number(/batchSize=(\d+)/i.exec(String(request.headers['sforce-query-options'] ?? ''))?.[1] ?? PAGE)
    return Math.min(Math.max(wanted, 200), PAGE)
  }

  return {
    query(request: VendorRequest): VendorResponse {
      const soql = request.query.get('q') ?? ''
      const version = request.parameters['version'] ?? ''
      try {
        const query = parseSoql(soql)
        const records = run(query, version)
        if (query.fields.length === 0) return ok({ totalSize: records.length, done: true, records: [] })
        const cursor = createId('01g')
        if (records.length > pageSize(request)) cursors.set(cursor, records)
        return page(records, records.length, 0, version, pageSize(request), cursor)
      } catch (error) {
        // Rows and columns of the vendor's texts are left out.
        if (error instanceof SoqlError) return salesforceError(400, 'MALFORMED_QUERY', error.message)
        if (error instanceof FieldError)
          return salesforceError(400, 'INVALID_FIELD', `\n${soql}\nERROR at Row:1:Column:1\n${error.message}`)
        if (error instanceof TypeNameError) return salesforceError(400, 'INVALID_TYPE', error.message)
        throw error
      }
    },
    more(request: VendorRequest): VendorResponse {
      const [cursor = '', start = '0'] = (request.parameters['locator'] ?? '').split('-')
      const records = cursors.get(cursor)
      return records === undefined
        ? notFound()
        : page(records, records.length, Number(start), request.parameters['version'] ?? '', pageSize(request), cursor)
    },
  }
}

/** The few rows that can hold, where one condition that must be met is on an indexed column. */
function indexed(condition: Condition, table: Table, pathOf: (field: string) => string[]): Row[] | undefined {
  for (const part of condition.kind === 'and' ? condition.parts : [condition]) {
    if (part.kind !== 'compare' || part.operator !== '=') continue
    const path = pathOf(part.field)
    const found = path.length === 1 ? table.find?.(path[0] ?? '', part.values[0] ?? null) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

class FieldError extends Error {}
class TypeNameError extends Error {}
