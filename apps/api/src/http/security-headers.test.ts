import { ServerResponse, IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import express, { type RequestHandler } from 'express'
import helmet from 'helmet'
import { expect, test } from 'vitest'
import { setSecurityHeaders } from './security-headers.ts'

/** For /docs. */
const directives = {
  'style-src': ["'self'", "'unsafe-inline'"],
  'font-src': ["'self'", 'data:'],
  'img-src': ["'self'", 'data:'],
  'upgrade-insecure-requests': null,
}

async function headersOf(middleware: RequestHandler): Promise<OutgoingHttpHeaders> {
  const request = new IncomingMessage(new Socket())
  Object.assign(request, { method: 'GET', url: '/' })
  const response = new ServerResponse(request)
  const app = express().disable('x-powered-by').use(middleware)
  await new Promise<void>((resolve) => {
    app.use(() => resolve())
    app(request, response)
  })
  return response.getHeaders()
}

test('the security headers are those of helmet', async () => {
  const expected = await headersOf(helmet({ contentSecurityPolicy: { directives } }))
  expect(Object.keys(expected)).toHaveLength(12)
  expect({ ...(await headersOf(setSecurityHeaders)) }).toEqual({ ...expected })
})
