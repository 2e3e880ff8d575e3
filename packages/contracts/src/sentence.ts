/** A provider's message with a full stop, so that another sentence can follow. */
export const asSentence = (words: string): string => (/[.!?…]["')]?$/.test(words.trimEnd()) ? words : `${words}.`)
