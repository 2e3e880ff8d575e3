import { z } from 'zod'
import type { Provider } from '../../src/provider.ts'
import { classifyFailure, failures, isOwnAnswer } from './errors.ts'
import { toCreateRequest, toFindRequest, toNaturalKey, validate } from './request.ts'
import { parseCreated, parseFound, toUser } from './response.ts'

export const tiny: Provider = {
  // Becomes tiny in the copy; here it must be an id that there is.
  id: 'okta',
  name: 'Tiny',
  documentationUrl: 'https://tiny.example/docs',
  authentications: {
    api_token: { kind: 'static', toHeaders: ({ api_token }) => ({ authorization: `Token ${api_token}` }) },
  },
  configSchema: z.strictObject({}),
  defaultBaseUrl: 'https://api.tiny.example',
  hosts: { patterns: [/^api\.tiny\.example$/], allowsCustomDomain: false },
  limits: { requests: 10, perSeconds: 1, concurrency: 2, source: 'Made up.' },
  callsPerCreate: 1,
  timeoutMs: 10_000,
  lookUpAfterMs: [500],
  fields: { username: 'supported', emails: 'supported', name: 'supported', remote_data: 'supported' },
  parameters: {},
  responseFields: ['id', 'username', 'name', 'created_at'],
  quirks: [],
  validate,
  toNaturalKey,
  toCreateRequest,
  parseCreated,
  toUser,
  toFindRequest,
  parseFound,
  isOwnAnswer,
  toCheckRequest: () => ({ method: 'GET', path: '/users' }),
  failures,
  classifyFailure,
}
