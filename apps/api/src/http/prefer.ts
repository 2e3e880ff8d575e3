const MAX_WAIT_SECONDS = 60

export interface Preferences {
  /** 0: answer at once. */
  waitMs: number
  isStrict: boolean
  /** For Preference-Applied; undefined when the request has no known preference. */
  applied: string | undefined
}

/** RFC 7240: the first of equal preferences counts, what is not understood is ignored. `respond-async` beats `wait`. */
export function parsePrefer(header: string | undefined): Preferences {
  const wishes = new Map<string, string>()
  for (const part of (header ?? '').split(',')) {
    // Parameters follow a semicolon; no preference known here has any.
    const [name = '', value = ''] = (part.split(';')[0] ?? '')
      .split('=')
      .map((text) => text.trim().toLowerCase().replace(/^"|"$/g, ''))
    if (name && !wishes.has(name)) wishes.set(name, value)
  }
  const isAsync = wishes.has('respond-async')
  const asked = wishes.get('wait')
  const seconds = !isAsync && asked !== undefined && /^\d+$/.test(asked) ? Math.min(Number(asked), MAX_WAIT_SECONDS) : 0
  const isStrict = wishes.get('handling') === 'strict'
  const applied = [
    isAsync ? 'respond-async' : '',
    seconds > 0 ? `wait=${seconds}` : '',
    isStrict ? 'handling=strict' : '',
  ]
    .filter(Boolean)
    .join(', ')
  return { waitMs: seconds * 1000, isStrict, applied: applied || undefined }
}
