import type { InputProblem } from '@muster/contracts/problem'

type Limited = readonly [text: string | undefined, maximum: number, pointer: string]

/** A problem for each text that is longer than the provider takes. */
export function checkLengths(providerName: string, ...texts: readonly Limited[]): InputProblem[] {
  return texts.flatMap(([text, maximum, pointer]) =>
    text === undefined || text.length <= maximum
      ? []
      : [{ pointer, code: 'too_long', detail: `${providerName} takes at most ${maximum} characters here.` }],
  )
}
