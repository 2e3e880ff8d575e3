import { z } from 'zod'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { refuse } from './answers.ts'
import { createComplaints, parseBody } from './check-body.ts'
import type { Directory } from './directory.ts'
import { isSameAddress, renderAdmin } from './directory.ts'
import type { MerakiSettings, Organization } from './settings.ts'
import { ORGANIZATION_ACCESS } from './settings.ts'

const NETWORK_ACCESS = ['full', 'read-only', 'guest-ambassador', 'monitor-only']

const bodySchema = z.object({
  email: z.string(),
  name: z.string(),
  orgAccess: z.string(),
  tags: z.array(z.object({ tag: z.string(), access: z.string() })).nullish(),
  networks: z.array(z.object({ id: z.string(), access: z.string() })).nullish(),
})

function findErrors(body: Record<string, unknown>, organization: Organization, settings: MerakiSettings): string[] {
  const complaints = createComplaints()
  complaints.text(body['email'], 'email', true)
  complaints.text(body['name'], 'name', true)
  complaints.oneOf(body['orgAccess'], 'orgAccess', ORGANIZATION_ACCESS, true)
  // "No longer used as of Cisco SecureX end-of-life": nothing else is left.
  complaints.oneOf(body['authenticationMethod'], 'authenticationMethod', ['Email'], false)
  const tags = complaints.list(body['tags'], 'tags')
  const networks = complaints.list(body['networks'], 'networks')
  for (const tag of tags) complaints.text(tag['tag'], 'tag', true)
  for (const network of networks) {
    complaints.text(network['id'], 'id', true)
    const isKnown = organization.networks.some(({ id }) => id === network['id'])
    if (!isKnown && settings.refuses_unknown_networks)
      complaints.errors.push(`Network ${JSON.stringify(network['id'])} was not found in the organization`)
  }
  for (const entry of [...tags, ...networks]) complaints.oneOf(entry['access'], 'access', NETWORK_ACCESS, true)
  if (settings.refuses_admin_without_access && body['orgAccess'] === 'none' && tags.length + networks.length === 0) {
    complaints.errors.push('One of orgAccess, networks and tags must grant access')
  }
  return complaints.errors
}

/**
 * POST /organizations/{organizationId}/admins. Check and commit are one synchronous step: two requests at once cannot
 * both get an address.
 */
export function createCreateAdmin(
  { settings, now, recordCreated }: VendorContext<MerakiSettings>,
  directory: Directory,
) {
  return (request: VendorRequest, organization: Organization): VendorResponse => {
    // Meraki's SDK looks for "executing batches"; the rest of the sentence is not documented.
    if (settings().is_executing_batches) return refuse(400, 'Too many concurrently executing batches')
    const given = parseBody(request.body)
    if (given === undefined) return refuse(400, 'The body is not valid JSON')
    const errors = findErrors(given, organization, settings())
    const body = bodySchema.safeParse(given).data
    if (errors.length > 0 || body === undefined) return refuse(400, ...errors)
    if (directory.adminsOf(organization.id).some((admin) => isSameAddress(admin.email, body.email))) {
      return refuse(settings().duplicate_status, settings().duplicate_message)
    }

    const admin = {
      organizationId: organization.id,
      createdMs: now(),
      id: directory.createAdminId(),
      name: body.name,
      email: body.email,
      orgAccess: body.orgAccess,
      accountStatus: settings().new_admin_status,
      tags: body.tags ?? [],
      networks: body.networks ?? [],
    }
    directory.admins.push(admin)
    recordCreated(request, { id: admin.id, key: `${organization.id}/${admin.email.toLowerCase()}` })
    return { status: 201, body: renderAdmin(admin) }
  }
}
