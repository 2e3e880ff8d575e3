/** A provider's words with a full stop, so that a sentence of ours may follow. */
export const asSentence = (words: string): string => (/[.!?…]["')]?$/.test(words.trimEnd()) ? words : `${words}.`)
