import { errorCodes } from '../../packages/contracts/src/error-codes.ts'
import type { Route } from '../../packages/contracts/src/route.ts'
import { routes } from '../../packages/contracts/src/routes.ts'
import { systemRoutes } from '../../packages/contracts/src/system-routes.ts'
import { replaceBlock } from './documents.ts'

/** docs/api.md with its generated blocks as the routes and error codes have them now. */
export const withGeneratedBlocks = (text: string): string =>
  replaceBlock(replaceBlock(text, 'routes', routeSections()), 'error codes', errorTables())

function routeSections(): string {
  const all: Route[] = Object.values({ ...routes, ...systemRoutes })
  return [...new Set(all.map(({ tag }) => tag))]
    .map((tag) => [`## ${tag}`, ...all.filter((route) => route.tag === tag).map(routeSection)].join('\n\n'))
    .join('\n\n')
}

function routeSection({ method, path, scope, summary, description, query, body }: Route): string {
  const text = [`${summary}.`, description ?? '', ...namesOf('Query', query), ...namesOf('Body', body)]
  return `### \`${method.toUpperCase()} ${path}\` (${scope ?? 'open'})\n\n${toLinks(text.filter(Boolean).join(' '))}`
}

/** Names only: /docs and the OpenAPI document have types, limits and descriptions. */
function namesOf(where: string, schema: Route['query'] | Route['body']): string[] {
  if (!schema || !('shape' in schema)) return []
  return [
    `${where}: ${Object.keys(schema.shape as object)
      .map((name) => `\`${name}\``)
      .join(', ')}.`,
  ]
}

/** Routes name pages from the root of the repository. */
const toLinks = (text: string): string => text.replaceAll(/\bdocs\/([\w-]+\.md)(#[\w-]+)?/g, '[$1]($1$2)')

function errorTables(): string {
  const table = (kind: 'operation' | 'request'): string =>
    [
      '| code | status | retryable | what to do |',
      '|---|---|---|---|',
      ...Object.entries(errorCodes)
        .filter(([, { of }]) => of === kind || of === 'both')
        .map(
          ([code, { status, retryable, hint }]) =>
            `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${hint} |`,
        ),
    ].join('\n')
  return `### Errors of an operation\n\n${table('operation')}\n\n### Problems of a request\n\n${table('request')}`
}
