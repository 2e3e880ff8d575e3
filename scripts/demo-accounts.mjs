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
  files_com: {
    credentials: { type: 'api_key', api_key: 'SimulatorDemoKey-files_com' },
    config: (simulatorUrl) => ({ base_url: simulatorUrl }),
  },
  google_workspace: {
    credentials: {
      type: 'refresh_token',
      client_id: '000000000000-simulator.apps.googleusercontent.com',
      client_secret: 'GOCSPX-SimulatorDemoSecret',
      refresh_token: '1//0SimulatorDemoRefreshToken-google',
    },
    // Google gives tokens at an address of its own; the simulator does so at its own.
    config: (simulatorUrl) => ({ base_url: simulatorUrl, token_url: `${simulatorUrl}/token` }),
  },
  okta: {
    credentials: { type: 'api_token', api_token: '00SimulatorDemoToken-okta' },
    config: (simulatorUrl) => ({ base_url: simulatorUrl }),
  },
  salesforce: {
    credentials: {
      type: 'refresh_token',
      client_id: '3MVG9SimulatorDemoApp',
      client_secret: 'SimulatorDemoSecret-salesforce',
      refresh_token: '5Aep861SimulatorDemoRefreshToken',
    },
    config: (simulatorUrl) => ({ base_url: simulatorUrl }),
  },
}

/** The provider of the example that `npm start` prints: its call needs the fewest fields. */
export const exampleProvider = 'okta'
