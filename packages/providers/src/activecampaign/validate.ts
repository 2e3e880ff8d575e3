import type { InputProblem } from '@muster/contracts/problem'
import type { UnifiedUserInputField } from '@muster/contracts/unified-user'
import { firstText } from '../mapping/first-text.ts'
import type { CreateInput } from '../provider.ts'
import { sentUser, toNaturalKey } from './identity.ts'

/** ActiveCampaign's fields of each required one. */
const sentAs: Readonly<Partial<Record<UnifiedUserInputField, readonly string[]>>> = {
  name: ['firstName', 'lastName'],
  emails: ['email'],
  password: ['password'],
  username: ['username'],
  group: ['group'],
}

/** By remote_data, and the name by its parts. */
export function isGivenElsewhere(field: UnifiedUserInputField, input: CreateInput): boolean {
  const sent = sentUser(input)
  return (sentAs[field] ?? []).some((name) => firstText(sent[name]) !== undefined || typeof sent[name] === 'number')
}

export function validate(input: CreateInput): InputProblem[] {
  const problems: InputProblem[] = []
  const sent = sentUser(input)
  // Without a username that can be looked up, a lost answer could never be told from a user that was not created.
  if (toNaturalKey(input).sent === '')
    problems.push({
      pointer: '/username',
      code: 'required',
      detail: 'ActiveCampaign needs a username (remote_data must not take it away).',
    })
  if (sent.firstName === '' && sent.lastName === '')
    problems.push({ pointer: '/name', code: 'required', detail: 'ActiveCampaign needs a name.' })
  const { group } = sent
  if (group !== undefined && group !== null && !/^\d+$/.test(String(group))) {
    problems.push({
      pointer: '/group',
      code: 'invalid_value',
      detail: 'ActiveCampaign takes one group, by its number.',
    })
  }
  return problems
}
