const MAX_WAIT_SECONDS = 60

export interface Preferences {
  /** 0: answer at once. */
  waitMs: number
  isStrict: boolean
  /** For Preference-Applied; undefined when nothing was asked for that is known. */
  applied: string | undefined
}

/** RFC 7240. `respond-async` beats `wait`; what is not understood is ignored, as the RFC has it. */
export function parsePrefer(header: string | undefined): Preferences {
  const wishes = new Map((header ?? '').split(/[,;]/).map((part) => {
    const [name = '', value = ''] = part.split('=').map((text) => text.trim().toLowerCase().replace(/^"|"$/g, ''))
    return [name, value] as const
  }))
  const isAsync = wishes.has('respond-async')
  const asked = wishes.get('wait')
  const seconds = !isAsync && asked !== undefined && /^\d+$/.test(asked) ? Math.min(Number(asked), MAX_WAIT_SECONDS) : 0
  const isStrict = wishes.get('handling') === 'strict'
  const applied = [isAsync ? 'respond-async' : '', seconds > 0 ? `wait=${seconds}` : '', isStrict ? 'handling=strict' : ''].filter(Boolean).join(', ')
  return { waitMs: seconds * 1000, isStrict, applied: applied || undefined }
}
