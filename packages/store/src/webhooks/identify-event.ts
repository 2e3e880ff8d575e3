import type { EventDraft, EventRecord } from '@muster/domain/event'
import { v7 as uuidv7 } from 'uuid'

/** Ids begin with the time of the event, so that they sort by it. */
export const identifyEvent = (draft: EventDraft): EventRecord => ({ ...draft, id: uuidv7({ msecs: draft.at }) })
