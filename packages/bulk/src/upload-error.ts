/** What makes a whole upload unreadable. Rows that were read before it stay good. */
export const uploadErrorCodes = [
  'not_utf8',
  'not_in_charset',
  'unknown_charset',
  'not_text',
  'malformed_json',
  'items_missing',
  'items_not_array',
  'unknown_member',
  'value_too_large',
  'invalid_delimiter',
  'invalid_date_format',
  'invalid_defaults',
  'unknown_time_zone',
  'no_header',
  'malformed_header',
  'header_too_large',
  'too_many_columns',
  'duplicate_headers',
  'unknown_headers',
  'invalid_headers',
  'conflicting_headers',
  'too_many_rows',
  'too_many_bytes',
  'corrupt_gzip',
  'ended_early',
] as const
export type UploadErrorCode = (typeof uploadErrorCodes)[number]

export class UploadError extends Error {
  override readonly name = 'UploadError'
  readonly code: UploadErrorCode
  /** One sentence. Names of headers and members are quoted in it, values never, since any of them may be a password. */
  readonly detail: string
  /** 1-based, where it is known. */
  readonly line: number | null
  /** 1-based, of the unpacked upload: the byte that cannot be read. */
  readonly byte: number | null

  constructor(
    code: UploadErrorCode,
    detail: string,
    line: number | null = null,
    { byte = null, ...options }: ErrorOptions & { byte?: number | null } = {},
  ) {
    super(line === null ? detail : `Line ${line}: ${detail}`, options)
    this.byte = byte
    this.code = code
    this.detail = detail
    this.line = line
  }
}
