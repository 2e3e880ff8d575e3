/** Whose outbox an event waits in. What happens to an operation is in its account's. */
export interface EventSourceRef {
  kind: 'account' | 'batch' | 'endpoint'
  id: string
}

const prefixes = { account: '', batch: 'batch-', endpoint: 'webhook-' } as const

/** As it stands in keys and messages. */
export const eventSourceText = ({ kind, id }: EventSourceRef): string => prefixes[kind] + id

export function parseEventSource(text: string): EventSourceRef {
  for (const kind of ['batch', 'endpoint'] as const)
    if (text.startsWith(prefixes[kind])) return { kind, id: text.slice(prefixes[kind].length) }
  return { kind: 'account', id: text }
}
