/** Something the user can put right: told in its own words, without a stack. Anything else thrown here is a bug. */
export class Refusal extends Error {
  name = 'Refusal'
}
