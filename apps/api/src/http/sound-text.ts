/** No NUL, which ends text in half of all systems, and no lone surrogate, which turns into U+FFFD on the way: either would make another user than the one asked for. */
export const isSoundText = (text: string): boolean => !/[\0\p{Surrogate}]/u.test(text)

export const UNSOUND_TEXT = { code: 'invalid_text', detail: 'The text holds a NUL or half of a surrogate pair.' }
