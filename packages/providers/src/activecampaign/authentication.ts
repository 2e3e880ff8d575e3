import type { Authentications } from '../provider.ts'

/** One flat key per user, without scopes or expiry; it may do what its user's group may do. */
export const activecampaignAuthentications: Authentications = {
  api_token: { kind: 'static', toHeaders: ({ api_token }) => ({ 'api-token': api_token }) },
}
