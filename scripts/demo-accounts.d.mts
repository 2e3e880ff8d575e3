// Types for the tests, which connect their accounts as the demo does.
export interface DemoAccount {
  credentials: Record<string, string>
  config(simulatorUrl: string): Record<string, string>
}
export const demoAccounts: Record<string, DemoAccount>
export const exampleProvider: string
