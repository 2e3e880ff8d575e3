import type { Warning } from '@muster/contracts/operation'
import { primaryEmail, type UnifiedUser, type UnifiedUserInput } from '@muster/contracts/unified-user'
import type { CreateInput } from '../provider.ts'

/** Where the request gave the primary address, for refusals of it. */
export function primaryEmailPointer(input: CreateInput | undefined): string {
  const index = input?.user.emails?.findIndex((entry) => entry.email === primaryEmail(input.user)) ?? 0
  return `/emails/${Math.max(index, 0)}/email`
}

/** Where the request gave a login that is the username, or the primary address where there is none. */
export function loginPointer(input: CreateInput): string {
  return input.user.username === undefined ? primaryEmailPointer(input) : '/username'
}

/** For providers that keep the primary address alone. */
export function warnOfFurtherEmails(user: UnifiedUserInput, providerName: string): Warning[] {
  const primary = primaryEmail(user)
  return (user.emails ?? []).flatMap((entry, index): Warning[] =>
    entry.email === primary
      ? []
      : [
          {
            code: 'not_sent',
            pointer: `/emails/${index}`,
            detail: `${providerName} keeps one e-mail address; this one was left out.`,
          },
        ],
  )
}

/** The unified list of a provider that keeps one address. */
export function toEmailList(address: string | null | undefined): NonNullable<UnifiedUser['emails']> {
  return address ? [{ email: address, is_primary: true }] : []
}
