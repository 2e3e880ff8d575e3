import { z } from 'zod'
import { flag } from './flag.ts'
import { idSchema } from './id.ts'
import { jsonObjectSchema } from './json.ts'
import { responseFormats } from './response-format.ts'

/** `a[]=x&a[]=y`, `a[0]=x`, repeated and comma-separated alike. */
export const toList = z
  .union(
    [
      z.string(),
      z.array(z.string()),
      z.record(z.string().regex(/^\d+$/), z.string()).transform((indexed) => Object.values(indexed)),
    ],
    {
      error: 'must be a list: name[]=a, name[0]=a, the name repeated, or values with commas between them',
    },
  )
  .transform((value) =>
    (Array.isArray(value) ? value : [value])
      .flatMap((entry) => entry.split(','))
      .map((entry) => entry.trim())
      .filter(Boolean),
  )

const list = toList.pipe(z.array(z.string().max(100)).max(100)).meta({ type: 'array', items: { type: 'string' } })

const dateTime = z.iso.datetime({ offset: true })
/** Part of an address at the provider: nothing that could lead elsewhere. */
export const placeIdSchema = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9_-]+$/, 'must be an id: letters, digits, - and _')

/** How a stored result is shown; on the create call it is also the default of later reads. */
export const responseViewParameters = {
  truto_response_format: z.enum(responseFormats).optional().meta({
    description:
      "unified (default): mapped, with remote_data. normalized: every unified field, null or [] where there is nothing; times in UTC, IANA time zones, BCP 47 languages. raw: the provider's body.",
  }),
  truto_ignore_remote_data: flag.optional().meta({ description: 'Leaves remote_data out of the answer.' }),
  truto_exclude_fields: list
    .optional()
    .meta({ description: 'Top-level fields to leave out of the answer, whatever its format.' }),
}

export const createUserQuerySchema = z.strictObject({
  integrated_account_id: idSchema.meta({ description: 'The connection to create the user through.' }),
  ...responseViewParameters,
  remote_query: jsonObjectSchema.optional().meta({
    description:
      "Passed on as the query of the provider's create call: remote_query[activate]=false. The login belongs in the body only.",
  }),
  organization_id: placeIdSchema
    .optional()
    .meta({ description: 'Cisco Meraki: the organization. Needed there, unless the account is configured with one.' }),
  workspace_id: placeIdSchema.optional().meta({ description: 'Cisco Meraki: the network.' }),
  on_conflict: z
    .enum(['fail', 'adopt'])
    .optional()
    .meta({ description: 'What an existing user means: fail (default), or adopt, which succeeds with that user.' }),
  dry_run: flag
    .optional()
    .meta({ description: 'true: calls no provider, stores nothing, answers with the requests that would be sent.' }),
  trim: flag.optional().meta({ description: 'false: spaces at the ends of texts stay.' }),
  not_before: dateTime.optional().meta({ description: 'No attempt starts earlier. At most 90 days ahead.' }),
  expires_at: dateTime.optional().meta({
    description:
      'No attempt starts later. Default: three days after it may start, unless the operator has set another time; at most 120 days ahead.',
  }),
  callback_url: z.string().min(1).max(2_000).optional().meta({
    description:
      'Where events of this operation are sent, signed with the callback secret of the tenant (POST /callback-secret).',
  }),
  reference: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: "The client's own id for this create; operations can be listed by it." }),
})
export type CreateUserQuery = z.infer<typeof createUserQuerySchema>
