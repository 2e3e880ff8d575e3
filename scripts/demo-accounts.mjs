/**
 * The demo tenant's account at each simulator: the credentials that simulator accepts, and the account's config,
 * made from the simulator's URL. A provider without a row gets no account.
 */
export const demoAccounts = {
  activecampaign: {
    credentials: { type: 'api_token', api_token: 'SimulatorDemoKey-activecampaign' },
    config: (simulatorUrl) => ({ base_url: simulatorUrl }),
  },
  cisco_meraki: {
    credentials: { type: 'api_key', api_key: 'SimulatorDemoKey-meraki' },
    config: (simulatorUrl) => ({ base_url: simulatorUrl, organization_id: '549236', workspace_id: 'N_24329156' }),
  },
  okta: {
    credentials: { type: 'api_token', api_token: '00SimulatorDemoToken-okta' },
    config: (simulatorUrl) => ({ base_url: simulatorUrl }),
  },
}

/** The provider of the example that `npm start` prints: its call needs the fewest fields. */
export const exampleProvider = 'okta'
