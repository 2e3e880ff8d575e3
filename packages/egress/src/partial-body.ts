import type { Readable } from 'node:stream'

/**
 * The beginning of a body as text, and whether that was all. The stream is destroyed where it is left early, and its
 * connection with it: draining the rest would let the other side decide for how long. Failures that `isEnough`
 * takes for an end are one.
 */
export async function readUpTo(
  stream: Readable,
  limit: number,
  isEnough: (error: unknown) => boolean,
): Promise<{ body: string; isTruncated?: true }> {
  // Leaving the loop early emits an error, which has no other listener.
  stream.on('error', () => undefined)
  const chunks: Buffer[] = []
  let length = 0
  let isTruncated = false
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.length
      if (length <= limit) continue
      isTruncated = true
      break
    }
  } catch (error) {
    if (!isEnough(error)) throw error
    isTruncated = true
  }
  const bytes = Buffer.concat(chunks).subarray(0, limit)
  // `stream` keeps back the half of a character that the cut may have left at the end.
  const body = new TextDecoder().decode(bytes, { stream: isTruncated })
  return isTruncated ? { body, isTruncated } : { body }
}
