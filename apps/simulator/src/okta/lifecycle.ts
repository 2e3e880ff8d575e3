import { randomBytes } from 'node:crypto'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { notFound, oktaError } from './answers.ts'
import { toTimestamp } from './identifiers.ts'
import type { OktaSettings } from './settings.ts'
import type { OktaUser, Users, UserStatus } from './users.ts'

/** POST /api/v1/users/{id}/lifecycle/activate and /deactivate. */
export function createLifecycle({ now }: VendorContext<OktaSettings>, users: Users) {
  function change(user: OktaUser, status: UserStatus): void {
    user.status = status
    user.lastUpdated = user.statusChanged = toTimestamp(now())
  }

  return {
    activate(request: VendorRequest): VendorResponse {
      const id = request.parameters['id'] ?? ''
      const user = users.find(id)
      if (user === undefined) return notFound(id, 'User')
      if (user.status !== 'STAGED' && user.status !== 'DEPROVISIONED') {
        // Okta's list of error codes.
        return oktaError(403, 'E0000016', 'Activation failed because the user is already active')
      }
      change(user, user.hasPassword ? 'ACTIVE' : 'PROVISIONED')
      user.activated = user.statusChanged
      // The link is given to the caller only when no mail carries it.
      if (request.query.get('sendEmail') !== 'false') return { status: 200, body: {} }
      const activationToken = randomBytes(15).toString('base64url')
      return {
        status: 200,
        body: { activationUrl: `${request.baseUrl}/welcome/${activationToken}`, activationToken },
      }
    },

    deactivate(request: VendorRequest): VendorResponse {
      const id = request.parameters['id'] ?? ''
      const user = users.find(id)
      if (user === undefined) return notFound(id, 'User')
      if (user.status !== 'DEPROVISIONED') change(user, 'DEPROVISIONED')
      return { status: 200, body: {} }
    },
  }
}
