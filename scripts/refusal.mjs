/** Something the user can put right: shown as its message, without a stack. Anything else thrown here is a bug. */
export class Refusal extends Error {
  name = 'Refusal'
}
