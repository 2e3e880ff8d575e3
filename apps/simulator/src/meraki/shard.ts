import type { VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { MerakiSettings } from './settings.ts'

/** The address of the same resource on the shard; undefined when the request is there already, or no shard is set. */
function shardUrl(request: VendorRequest, settings: MerakiSettings): URL | undefined {
  if (settings.shard_hostname === null) return undefined
  const url = new URL(request.path, request.baseUrl)
  if (url.hostname === settings.shard_hostname) return undefined
  url.hostname = settings.shard_hostname
  url.search = request.query.toString()
  return url
}

export const isForShard = (request: VendorRequest, settings: MerakiSettings): boolean =>
  shardUrl(request, settings) !== undefined

export function redirectToShard(request: VendorRequest, settings: MerakiSettings): VendorResponse | undefined {
  const url = shardUrl(request, settings)
  return url && { status: settings.shard_redirect_status, headers: { location: url.href } }
}
