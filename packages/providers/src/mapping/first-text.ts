/** The first that is a text with something in it: input, `remote_data` and config can hold anything. */
export function firstText(...candidates: unknown[]): string | undefined {
  return candidates.find((value): value is string => typeof value === 'string' && value !== '')
}
