import { okta } from './okta/simulator.ts'
import type { Vendor } from './vendor.ts'

export const vendors: readonly Vendor[] = [
  okta,
]
