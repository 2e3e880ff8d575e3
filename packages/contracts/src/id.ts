import { z } from 'zod'

/** An id of Muster in a request. RFC 9562: written in lower case, read in any. */
export const idSchema = z.uuid().toLowerCase()
