import { routes } from '@muster/contracts/routes'
import type { Route } from '@muster/contracts/route'
import { systemRoutes } from '@muster/contracts/system-routes'
import type { Express } from 'express'
import { RequestError } from './request-error.ts'

/** 405 with Allow on every known path. Express answers HEAD wherever there is a GET. */
export function refuseOtherMethods(app: Express, toExpressPath: (path: string) => string): void {
  const methods = new Map<string, string[]>()
  for (const { path, method } of Object.values<Route>({ ...routes, ...systemRoutes })) {
    const own = method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]
    methods.set(path, [...(methods.get(path) ?? []), ...own])
  }
  for (const [path, allowed] of methods) {
    app.all(toExpressPath(path), () => {
      throw new RequestError('method_not_allowed', `This path takes ${allowed.join(', ')}.`, {
        headers: { allow: allowed.join(', ') },
      })
    })
  }
}
