import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { looseText } from '../../src/engine/loose-schema.ts'
import type { CreatedUser, CreateInput, FoundUser, RemoteResponse, Unreadable } from '../../src/provider.ts'
import { foldLogin, toNaturalKey } from './request.ts'

const userSchema = z.looseObject({ id: z.string().min(1), login: looseText, name: looseText, created_at: looseText })
const listSchema = z.looseObject({ users: z.array(userSchema.extend({ login: z.string() })) })

export function parseCreated(response: RemoteResponse): CreatedUser | undefined {
  const user = userSchema.safeParse(response.body)
  return user.success ? { remoteId: user.data.id, body: response.body } : undefined
}

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | Unreadable | undefined {
  const list = listSchema.safeParse(response.body).data
  if (!list) return 'unreadable'
  const user = list.users.find(({ login }) => foldLogin(login) === toNaturalKey(input).value)
  return user && { remoteId: user.id, createdAt: user.created_at ?? null, body: user }
}

export function toUser(body: unknown): UnifiedUser {
  const { id, login, name, created_at } = userSchema.parse(body)
  return { id, username: login ?? null, name: name ?? null, created_at: created_at ?? null }
}
