import { describePassword } from '../framework/password.ts'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { duplicate, forbidden, googleError, JSON_TYPE, userLimitReached } from './answers.ts'
import { checkFields, domainOf, parseBody, readGiven } from './check-user.ts'
import { renderInserted } from './render-user.ts'
import type { GoogleWorkspaceSettings } from './settings.ts'
import type { GoogleUser, JsonRecord, Users } from './users.ts'
import { createEtag, createId, toTimestamp } from './users.ts'

/**
 * POST /admin/directory/v1/users. Check and commit are one synchronous step: two requests at once cannot both get an
 * address.
 */
export function createCreateUser(context: VendorContext<GoogleWorkspaceSettings>, users: Users) {
  const { settings, now } = context

  function checkAddress(address: string): VendorResponse | undefined {
    const { domains, groups, administrators, user_limit, foreign_domain_answer } = settings()
    if (!domains.includes(domainOf(address))) {
      return foreign_domain_answer === 'forbidden'
        ? forbidden()
        : googleError(404, 'domainNotFound', 'Domain not found.')
    }
    const isTaken =
      users.isAddressTaken(address) || groups.includes(address) || administrators.some(({ email }) => email === address)
    if (isTaken) return duplicate()
    return user_limit !== null && users.count() >= user_limit ? userLimitReached() : undefined
  }

  /** The owner of a consumer account of this address is asked in, or the insert is refused. Neither makes a user. */
  function resolveConflict(address: string, name: JsonRecord): VendorResponse | undefined {
    const { unmanaged_accounts, unmanaged_account_option, invitation_has_body } = settings()
    if (!unmanaged_accounts.includes(address)) return undefined
    if (unmanaged_account_option === 'keep') return duplicate()
    return {
      status: 202,
      headers: JSON_TYPE,
      ...(invitation_has_body ? { body: { kind: 'admin#directory#user', primaryEmail: address, name } } : {}),
    }
  }

  return (request: VendorRequest): VendorResponse => {
    const parsed = parseBody(request.body, settings())
    if ('refusal' in parsed) return parsed.refusal
    const { body } = parsed
    const refusal = checkFields(body, settings())
    if (refusal !== undefined) return refusal
    const primaryEmail = (body.primaryEmail ?? '').toLowerCase()
    const taken = checkAddress(primaryEmail)
    if (taken !== undefined) return taken
    const { givenName = '', familyName = '', displayName } = body.name
    const name = { givenName, familyName, ...(displayName === undefined ? {} : { displayName }) }
    const resolved =
      request.query.get('resolveConflictAccount') === 'true' ? resolveConflict(primaryEmail, name) : undefined
    if (resolved !== undefined) return resolved

    const user: GoogleUser = {
      id: createId(),
      primaryEmail,
      name,
      createdMs: now(),
      creationTime: toTimestamp(now()),
      given: readGiven(body) as JsonRecord,
      orgUnitPath: body.orgUnitPath ?? '/',
      password: describePassword(body.password),
      hashFunction: body.hashFunction ?? null,
      aliases: [],
      isAdmin: false,
      deletionTime: null,
      etag: createEtag(),
    }
    users.add(user)
    context.recordCreated(request, { id: user.id, key: primaryEmail })
    return {
      status: settings().created_status,
      headers: { ...JSON_TYPE, etag: user.etag },
      body: renderInserted(user, settings().customer_id),
    }
  }
}
