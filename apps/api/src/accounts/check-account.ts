import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { Credentials, CredentialType } from '@muster/contracts/integrated-account'
import { isJsonObject, type JsonObject } from '@muster/contracts/json'
import type { InputProblem } from '@muster/contracts/problem'
import { providerIdSchema } from '@muster/contracts/provider-ids'
import { checkAccount } from '@muster/providers/engine/account-config'
import { toOrigin } from '@muster/providers/engine/base-url'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import { notYetKnown, type RefusedRequest } from '../http/endpoint.ts'
import { checkMode } from '../http/own-records.ts'

/** null removes a key. */
export function patchConfig(config: JsonObject, patch: JsonObject | undefined): JsonObject {
  return Object.fromEntries(Object.entries({ ...config, ...patch }).filter(([, value]) => value !== null))
}

/** Everything wrong with the account as the patch would leave it. */
export function checkPatch(
  account: AccountRecord,
  patch: JsonObject | undefined,
  credentials: Pick<Credentials, 'type'> | undefined,
  allowedHosts: AllowedHosts,
): InputProblem[] {
  const config = patchConfig(account.config, patch)
  const problems = checkAccount(providerOf(account.provider), config, credentials, allowedHosts)
  const moved = (['base_url', 'token_url'] as const).find(
    (name) => originOf(config[name]) !== originOf(account.config[name]),
  )
  // Credentials are write-only: an account pointed at another address would send them to its owner.
  if (moved && !credentials)
    problems.push({
      pointer: '/credentials',
      code: 'required',
      detail: `The credentials were given for another ${moved}: send them again.`,
    })
  return problems
}

const originOf = (url: unknown): string | undefined => (typeof url === 'string' ? toOrigin(url) : undefined)

/** For a request that its schemas refused: what else is wrong, by its well-formed parts. */
export function findNewAccountProblems(
  { caller, raw, problems }: RefusedRequest,
  allowedHosts: AllowedHosts,
): InputProblem[] {
  const body = asObject(raw.body)
  const provider = providerIdSchema.safeParse(body?.provider)
  if (!body || !provider.success) return []
  return notYetKnown(
    [
      ...checkMode(caller, body.mode === 'test' ? 'test' : undefined),
      ...checkAccount(providerOf(provider.data), asObject(body.config) ?? {}, typeOf(body.credentials), allowedHosts),
    ],
    problems,
  )
}

export function findPatchProblems(
  account: AccountRecord,
  { raw, problems }: RefusedRequest,
  allowedHosts: AllowedHosts,
): InputProblem[] {
  const body = asObject(raw.body)
  return body
    ? notYetKnown(checkPatch(account, asObject(body.config), typeOf(body.credentials), allowedHosts), problems)
    : []
}

const asObject = (value: unknown): JsonObject | undefined => (isJsonObject(value) ? value : undefined)

function typeOf(credentials: unknown): { type: CredentialType } | undefined {
  const type = asObject(credentials)?.type
  return typeof type === 'string' ? { type: type as CredentialType } : undefined
}
