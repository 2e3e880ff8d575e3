import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import type { UnifiedUserInputField } from '@muster/contracts/unified-user'
import { checkNaturalKey, checkQuery } from './natural-key.ts'
import type { AccountContext, CreateInput, FieldSupport, Provider } from '../provider.ts'

const parameterNames = { organization_id: 'organizationId', workspace_id: 'workspaceId' } as const

/**
 * Everything that can be said of an input without a call: what is missing or wrong, and what the provider cannot take.
 */
export function checkInput(
  provider: Provider,
  input: CreateInput,
  account: AccountContext,
): { problems: InputProblem[]; warnings: Warning[] } {
  const problems: InputProblem[] = []
  const warnings: Warning[] = []
  for (const field of Object.keys(input.user) as UnifiedUserInputField[]) {
    if (input.user[field] === undefined || provider.fields[field]) continue
    warnings.push({
      code: 'field_not_supported',
      pointer: `/${field}`,
      detail: `${provider.name} has no field for ${field}: it was not sent.`,
    })
  }
  for (const [field, support] of Object.entries(provider.fields) as [UnifiedUserInputField, FieldSupport][]) {
    const value = input.user[field]
    const isMissing = value === undefined || (Array.isArray(value) && value.length === 0)
    if (support !== 'required' || !isMissing || provider.isGivenElsewhere?.(field, input, account)) continue
    problems.push({ pointer: `/${field}`, code: 'required', detail: `${provider.name} needs ${field}.` })
  }
  for (const [name, key] of Object.entries(parameterNames) as [
    keyof typeof parameterNames,
    'organizationId' | 'workspaceId',
  ][]) {
    const support = provider.parameters[name]
    const isGiven = input[key] !== undefined || isConfigured(account.config, name)
    if (support === 'required' && !isGiven)
      problems.push({
        pointer: `?${name}`,
        code: 'required',
        detail: `${provider.name} needs the query parameter ${name}.`,
      })
    if (!support && input[key] !== undefined)
      warnings.push({
        code: 'parameter_not_supported',
        pointer: `?${name}`,
        detail: `${provider.name} has no use for ${name}: it was ignored.`,
      })
  }
  if ((input.user.emails?.filter((entry) => entry.is_primary).length ?? 0) > 1) {
    problems.push({ pointer: '/emails', code: 'ambiguous', detail: 'At most one e-mail address can be primary.' })
  }
  if (provider.fields.status && input.user.status === 'deleted')
    problems.push({ pointer: '/status', code: 'not_supported', detail: 'A user cannot be created as deleted.' })
  const seen = new Set(problems.map((problem) => problem.pointer))
  for (const problem of provider.validate(input, account)) {
    if (!seen.has(problem.pointer)) problems.push(problem)
  }
  // The adapter's own words come first: they know where else it could come from.
  if (problems.length === 0) {
    const naturalKey = provider.toNaturalKey(input, account)
    problems.push(
      ...checkNaturalKey(naturalKey, provider.name),
      ...checkQuery(input.remoteQuery, naturalKey, provider.name),
    )
  }
  return { problems, warnings }
}

function isConfigured(config: JsonObject, name: string): boolean {
  return typeof config[name] === 'string' && config[name] !== ''
}
