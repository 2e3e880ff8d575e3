import { z } from 'zod'
import {
  accountTestQuerySchema,
  accountTestSchema,
  connectedAccountSchema,
  integratedAccountInputSchema,
  integratedAccountPatchSchema,
  integratedAccountSchema,
} from './integrated-account.ts'
import { providerIdSchema } from './provider-ids.ts'
import {
  bodyRefusals,
  boundReached,
  idParams,
  notFound,
  pageQuery,
  pageSchema,
  refusals,
  route,
  type Route,
} from './route.ts'

const accounts = { tag: 'Integrated accounts', noun: 'integrated account' } as const
const one = { ...accounts, path: '/integrated-accounts/{id}', params: idParams } as const

export const accountRoutes = {
  createIntegratedAccount: route({
    ...accounts,
    id: 'createIntegratedAccount',
    method: 'post',
    path: '/integrated-accounts',
    summary: 'Connect a customer to a provider',
    description:
      'Credentials are tested by one harmless call, for at most ten seconds, and `test` has its result. When the provider refuses them, the account is `needs_reauth` or `permission_denied` at once; a provider that does not answer (`test.status` is `unreachable`) leaves it `active`. `test=false` skips the test. `mode` never changes, and a test key connects only accounts of mode `test`.\n\nWhile `status` is not `active`, waiting operations are shown as `held` and no call is made, except for an occasional check of the credentials, which resumes the account when it succeeds (docs/operation-states.md#refused-accounts).\n\n`cooldown` is set while the provider wants no calls, by `Retry-After` or a quota, for five seconds up to a day. A wait of more than an hour is probed: one operation tries after 15 minutes, then after 30, 60 and so on up to 4 hours. Resuming the account ends it, as do new `limits` or `credentials`.',
    scope: 'admin',
    query: accountTestQuerySchema,
    body: integratedAccountInputSchema,
    responses: {
      201: { description: 'Connected; the credentials are never returned.', schema: connectedAccountSchema },
      ...boundReached,
      ...refusals,
      ...bodyRefusals,
    },
  }),
  listIntegratedAccounts: route({
    ...accounts,
    id: 'listIntegratedAccounts',
    method: 'get',
    path: '/integrated-accounts',
    summary: 'List the accounts that the key may use',
    scope: 'read',
    query: z.strictObject({ provider: providerIdSchema.optional(), ...pageQuery }),
    responses: {
      200: {
        description: 'A page. It can be short, or empty, and still have a next_cursor.',
        schema: pageSchema(integratedAccountSchema),
      },
      ...refusals,
    },
  }),
  readIntegratedAccount: route({
    ...one,
    id: 'readIntegratedAccount',
    method: 'get',
    summary: 'Read an account',
    scope: 'read',
    responses: { 200: { description: 'The account.', schema: integratedAccountSchema }, ...refusals, ...notFound },
  }),
  updateIntegratedAccount: route({
    ...one,
    id: 'updateIntegratedAccount',
    method: 'patch',
    summary: 'Change an account',
    description:
      '`config` is merged, and `null` removes a key; `limits` are replaced. New credentials take the account off hold, so that waiting operations continue; they are tested as when an account is connected, unless `test=false`. Another `base_url` or `token_url` needs the credentials again, since they were given for the current address.',
    scope: 'admin',
    query: accountTestQuerySchema,
    body: integratedAccountPatchSchema,
    responses: {
      200: { description: 'Changed.', schema: connectedAccountSchema },
      ...refusals,
      ...notFound,
      ...bodyRefusals,
    },
  }),
  deleteIntegratedAccount: route({
    ...one,
    id: 'deleteIntegratedAccount',
    method: 'delete',
    summary: 'Disconnect an account that has no unfinished operation',
    scope: 'admin',
    responses: {
      204: { description: 'Deleted, together with its credentials.' },
      409: { description: 'It has unfinished operations.' },
      ...refusals,
      ...notFound,
    },
  }),
  testIntegratedAccount: route({
    ...one,
    id: 'testIntegratedAccount',
    method: 'post',
    path: `${one.path}/test`,
    summary: 'Test the credentials with one call that changes nothing',
    description: '`status` is what the account would be; the account itself is not changed.',
    scope: 'admin',
    responses: {
      200: { description: 'The result of the call.', schema: accountTestSchema },
      ...refusals,
      ...notFound,
    },
  }),
  pauseIntegratedAccount: route({
    ...one,
    id: 'pauseIntegratedAccount',
    method: 'post',
    path: `${one.path}/pause`,
    summary: 'Put an account on hold',
    description: 'Running operations finish; all others are `held` until the account is resumed or they expire.',
    scope: 'admin',
    responses: { 200: { description: 'On hold.', schema: integratedAccountSchema }, ...refusals, ...notFound },
  }),
  resumeIntegratedAccount: route({
    ...one,
    id: 'resumeIntegratedAccount',
    method: 'post',
    path: `${one.path}/resume`,
    summary: 'Take an account off hold',
    description:
      'Ends any hold, `needs_reauth` and `permission_denied` too, with the current credentials, and a `cooldown`.',
    scope: 'admin',
    responses: { 200: { description: 'Active.', schema: integratedAccountSchema }, ...refusals, ...notFound },
  }),
} as const satisfies Record<string, Route>
