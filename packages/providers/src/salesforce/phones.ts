import type { CreateInput } from '../provider.ts'

/** One mobile, one fax, one other number. */
export function phonesOf(input: CreateInput) {
  const phones = (input.user.phones ?? []).map((phone, index) => ({ ...phone, index }))
  const isMobile = (type = '') => /^(mobile|cell)/i.test(type)
  const isFax = (type = '') => /fax/i.test(type)
  const mobile = phones.find(({ type }) => isMobile(type))
  const fax = phones.find(({ type }) => isFax(type))
  const phone = phones.find(({ type }) => !isMobile(type) && !isFax(type))
  return { phones, mobile, fax, phone }
}
