/**
 * A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection), some also behind quotes or spaces. Of
 * apostrophes before it, one is the guard and the others are the text's, so that every text comes back as it was.
 */
const FORMULA = /^'*(?:["\s]*[=+\-@＝＋－＠]|"*[\t\r\n])/

export const GUARD = "'"

export const toSafeCell = (text: string): string => (FORMULA.test(text) ? GUARD + text : text)

/** The cell before it was made safe. */
export const fromSafeCell = (text: string): string =>
  text.startsWith(GUARD) && FORMULA.test(text) ? text.slice(1) : text
