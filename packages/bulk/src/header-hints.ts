import { knownNames, toName } from './column-target.ts'

/** The name that was perhaps meant. */
export function nearestName(header: string): string | undefined {
  const name = toName(header).slice(0, 60)
  // "firstname" is nearer to first_name than its distance says.
  const bare = (text: string): string => text.replaceAll('_', '')
  const ranked = knownNames().map((known) => ({
    known,
    distance: Math.min(distance(name, known), distance(bare(name), bare(known))),
  }))
  const best = ranked.reduce((left, right) => (right.distance < left.distance ? right : left))
  return best.distance <= Math.max(2, Math.floor(name.length / 3)) ? best.known : undefined
}

/** Levenshtein's, in one row. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...left].entries()) {
    const next = [i + 1]
    for (let j = 0; j < right.length; j++)
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === right[j] ? 0 : 1)))
    row = next
  }
  return row[right.length] ?? 0
}
