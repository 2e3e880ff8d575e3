import { mergeJson, type JsonObject } from '@muster/contracts/json'
import type { CreateInput } from '../provider.ts'

/** The body as it will be sent: `remote_data` wins over what is mapped. */
export const withRemoteData = (mapped: JsonObject, { user }: CreateInput): JsonObject =>
  mergeJson(mapped, user.remote_data ?? {})
