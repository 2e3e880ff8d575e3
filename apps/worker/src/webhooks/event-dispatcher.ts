import { eventSourceText, parseEventSource, type EventSourceRef } from '@muster/domain/event'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import { onceAtATime } from '@muster/lanes/once-at-a-time'
import { EVENTS_CHANNEL } from '@muster/store/redis/keys'
import type { Redis } from '@muster/store/redis/connect'
import type { Clock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'

/**
 * Hands events to the webhook endpoints as soon as this process hears of them; the janitor finds those whose message
 * was lost.
 */
export function createEventDispatcher({
  store,
  schedule,
  subscriber,
  clock,
  onError,
}: {
  store: Store
  schedule: LaneSchedule
  subscriber: Redis
  clock: Clock
  onError(error: Error): void
}) {
  const running = new Map<string, () => Promise<void>>()

  const dispatch = (source: EventSourceRef): Promise<void> => store.dispatchEvents(source, clock.now, schedule.wake)

  /** A burst at one source is handed over in one go. */
  function nudge(source: EventSourceRef): void {
    const key = eventSourceText(source)
    const present = running.get(key)
    if (present) return void present().catch(() => undefined)
    const run = onceAtATime(() => dispatch(source))
    running.set(key, run)
    run()
      .catch((error: unknown) => onError(error as Error))
      .finally(() => running.delete(key))
  }

  const hear = (channel: string, message: string): void => {
    if (channel === EVENTS_CHANNEL) nudge(parseEventSource(message))
  }
  return {
    nudge,
    start(): void {
      subscriber.on('message', hear)
      subscriber.subscribe(EVENTS_CHANNEL).catch((error: unknown) => onError(error as Error))
    },
    /** What is not handed over yet stays in its outbox. */
    stop(): void {
      subscriber.off('message', hear)
    },
  }
}
