import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { Credentials } from '@muster/contracts/integrated-account'
import { issueWords } from '@muster/contracts/issue-words'
import type { JsonObject } from '@muster/contracts/json'
import type { InputProblem } from '@muster/contracts/problem'
import { z } from 'zod'
import { checkOrigin } from './base-url.ts'
import type { Provider } from '../provider.ts'

/** The provider's own settings, and those that every account can have. */
export function configSchemaOf(provider: Provider): z.ZodObject {
  return provider.configSchema.extend({
    base_url: z
      .string()
      .max(500)
      .optional()
      .meta({ description: 'Where this account is called: an origin; a path after it is ignored.' }),
    token_url: z
      .string()
      .max(500)
      .optional()
      .meta({ description: 'Where access tokens are asked for, if not at the usual address.' }),
    custom_domain: z
      .boolean()
      .optional()
      .meta({ description: "Says that base_url is a domain of the customer's own." }),
  })
}

/** Everything wrong with an account before it is stored: config, addresses, kind of credentials. */
export function checkAccount(
  provider: Provider,
  config: JsonObject,
  credentials: Pick<Credentials, 'type'> | undefined,
  allowedHosts: AllowedHosts,
): InputProblem[] {
  const problems: InputProblem[] = []
  const parsed = configSchemaOf(provider).safeParse(config, { error: issueWords })
  for (const issue of parsed.error?.issues ?? []) {
    if (issue.code === 'unrecognized_keys')
      problems.push(
        ...issue.keys.map((key) => ({
          pointer: `/config/${key}`,
          code: 'unknown_field',
          detail: `${provider.name} accounts have no such setting.`,
        })),
      )
    else
      problems.push({ pointer: `/config/${issue.path.map(String).join('/')}`, code: issue.code, detail: issue.message })
  }
  for (const name of ['base_url', 'token_url'] as const) {
    const problem = problems.some(({ pointer }) => pointer === `/config/${name}`)
      ? undefined
      : checkOrigin(provider, name, config, allowedHosts)
    if (problem) problems.push(problem)
  }
  if (credentials && !provider.authentications[credentials.type]) {
    problems.push({
      pointer: '/credentials/type',
      code: 'not_supported',
      detail: `${provider.name} takes ${Object.keys(provider.authentications).join(', ')}.`,
    })
  }
  return problems
}
