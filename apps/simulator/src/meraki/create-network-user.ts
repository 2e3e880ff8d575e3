import { z } from 'zod'
import { describePassword } from '../framework/password.ts'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { notFound, refuse } from './answers.ts'
import { createComplaints, parseBody } from './check-body.ts'
import type { Directory, NetworkUser } from './directory.ts'
import { isSameAddress, renderNetworkUser } from './directory.ts'
import type { MerakiSettings, Organization } from './settings.ts'

const ACCOUNT_TYPES = ['802.1X', 'Guest', 'Client VPN']

const bodySchema = z.object({
  email: z.string(),
  name: z.string().nullish(),
  password: z.string().nullish(),
  accountType: z.string().default('802.1X'),
  isAdmin: z.boolean().default(false),
  authorizations: z.array(z.object({ ssidNumber: z.int().optional(), expiresAt: z.string().default('Never') })),
})

/** POST /networks/{networkId}/merakiAuthUsers. */
export function createCreateNetworkUser(
  { settings, now, recordCreated }: VendorContext<MerakiSettings>,
  directory: Directory,
) {
  function findErrors(body: Record<string, unknown>, organization: Organization, isWireless: boolean): string[] {
    const complaints = createComplaints()
    // Only who is a dashboard administrator has a name and a password already.
    const isKnown = directory
      .adminsOf(organization.id)
      .some(({ email }) => typeof body['email'] === 'string' && isSameAddress(email, body['email']))
    complaints.text(body['email'], 'email', true)
    complaints.text(body['name'], 'name', !isKnown)
    complaints.text(body['password'], 'password', !isKnown)
    complaints.oneOf(body['accountType'], 'accountType', ACCOUNT_TYPES, false)
    const authorizations = complaints.list(body['authorizations'], 'authorizations')
    if (authorizations.length === 0) complaints.errors.push(`'authorizations' is required`)
    for (const { ssidNumber, expiresAt } of authorizations) {
      if (isWireless ? !Number.isInteger(ssidNumber) : ssidNumber !== undefined && !Number.isInteger(ssidNumber))
        complaints.errors.push(`'ssidNumber' must be an integer`)
      const isDate = typeof expiresAt === 'string' && !Number.isNaN(Date.parse(expiresAt))
      if (expiresAt !== undefined && expiresAt !== 'Never' && !isDate)
        complaints.errors.push(`'expiresAt' must be a date or 'Never'`)
    }
    return complaints.errors
  }

  return (request: VendorRequest, organization: Organization): VendorResponse => {
    const network = organization.networks.find(({ id }) => id === request.parameters['networkId'])
    if (network === undefined) return notFound()
    const given = parseBody(request.body)
    if (given === undefined) return refuse(400, 'The body is not valid JSON')
    const errors = findErrors(given, organization, network.is_wireless)
    const body = bodySchema.safeParse(given).data
    if (errors.length > 0 || body === undefined)
      return refuse(400, ...(errors.length > 0 ? errors : [`'isAdmin' must be a boolean`]))
    if (
      settings().refuses_duplicate_network_users &&
      directory.usersOf(network.id).some(({ email }) => isSameAddress(email, body.email))
    ) {
      return refuse(settings().duplicate_status, settings().duplicate_message)
    }
    if (
      directory.networkUsers.filter(({ organizationId }) => organizationId === organization.id).length >=
      settings().network_user_limit
    ) {
      return refuse(400, `The organization has reached its limit of ${settings().network_user_limit} users`)
    }

    const user: NetworkUser = {
      organizationId: organization.id,
      networkId: network.id,
      createdMs: now(),
      // The id of the vendor's example is an address in base64.
      id: Buffer.from(body.email).toString('base64'),
      email: body.email,
      name: body.name ?? null,
      accountType: body.accountType,
      isAdmin: body.isAdmin,
      authorizations: body.authorizations.map(({ ssidNumber, expiresAt }) => ({ ssidNumber, expiresAt })),
      password: describePassword(body.password ?? undefined),
    }
    directory.networkUsers.push(user)
    recordCreated(request, { id: user.id, key: `${network.id}/${user.email.toLowerCase()}` })
    return { status: 201, body: renderNetworkUser(user) }
  }
}
