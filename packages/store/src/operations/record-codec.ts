import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { batchIdOf } from '../batches/batch-item-id.ts'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { OperationHead, OperationState } from '@muster/domain/operation/record'
import { UnreadableError } from '../crypto/unreadable.ts'

/**
 * Operations lie in memory by the hundred thousand, and JSON is mostly names: deflated against a dictionary of those
 *   names, a waiting one takes a quarter.
 * The first byte says how: a change of it, or of the dictionary, is a new number beside the old ones, since records
 *   outlive a deploy.
 * 2 differs from 1 in what it leaves out: the id of a batch, which the operation's id holds, and of a success, whose
 *   login no operation waits for any more, its hash. 3 is 2, sealed.
 */
const CODEC = 3
const UNSEALED = [1, 2]
export const DICTIONARY = Buffer.from(
  [
    'The connection to the provider broke before an answer came (ECONNRESET).The provider did not answer in time.Looking the user up after a lost answer.Its worker died.',
    '{"code":"not_sent","pointer":"/","detail":" has no place in ',
    '"error":{"code":"provider_unavailable","message":"","origin":"provider","retryable":false,"pointer":"/","provider_status":4,"raw_response":{"errors":[{"errorCode":"E0000001","errorSummary":"Api validation failed: login","errorCauses":[]}]},"hint":"Send the request again with on_conflict=adopt to take over the existing user, or choose another login."}',
    '"hint":"Correct the named field; the provider\'s own words are in raw_response."',
    'activecampaigncisco_merakifiles_comgoogle_workspaceoktasalesforce',
    '{"purpose":"look_up","method":"GET","url":"https://',
    '/services/data/v/sobjects/User/admin/directory/v1/users/api/rest/v1/users/api/3/users/api/v1/organizations//admins/networks//merakiAuthUsers',
    '","status":201,"duration_ms":',
    '{"purpose":"create","method":"POST","url":"http://127.0.0.1:/api/v1/users","status":200,"duration_ms":1,"provider_request_id":"req","error":null}],',
    '{"tenantId":"',
    '","provider":"okta","batchId":null,"reference":null,"requestId":"","createdAt":17,"priority":10,"naturalKeyHash":"","idempotencyHash":null,"onConflict":"fail","view":{"format":"unified","ignoreRemoteData":false,"excludeFields":[]}}',
    '{"status":"succeeded","statusReason":null,"updatedAt":17,"startedAt":17,"finishedAt":17,"notBefore":null,"expiresAt":17,"nextAttemptAt":null,"run":0,"attemptCount":1,"usedAttempts":0,"attempts":[{"number":1,"startedAt":17,"createSentAt":17,"finishedAt":17,"outcome":"succeeded","errorCode":null,"calls":[{"purpose":"create","method":"POST","url":"http',
    '"warnings":[{"code":"derived","pointer":"/username","detail":"login was taken from the primary e-mail."}],"outcome":"created","remoteId":"","error":null,"unknown":null,"crashes":0}',
    '{"status":"queued","statusReason":null,"updatedAt":17,"startedAt":null,"finishedAt":null,"notBefore":null,"expiresAt":17,"nextAttemptAt":null,"run":0,"attemptCount":0,"usedAttempts":0,"attempts":[],"warnings":[],"outcome":null,"remoteId":null,"error":null,"unknown":null}',
  ].join(''),
)

/**
 * A window that holds dictionary and record, and room for the answer, and no more: zlib's own would be set up again,
 * 256 KB and 16 KB each time, for a few hundred bytes.
 */
const OPTIONS = { dictionary: DICTIONARY, level: 6, windowBits: 13, memLevel: 3, chunkSize: 1_024 }

/** Both ids are the key's already; true: the batch that is in the operation's id. */
type KeptHead = Omit<OperationHead, 'id' | 'accountId' | 'batchId' | 'naturalKeyHash'> & {
  batchId: string | true | null
  naturalKeyHash?: string
}

export type RecordCodec = ReturnType<typeof createRecordCodec>

/** Sealed as a whole: references, addresses of look-ups and a provider's words name persons. */
export function createRecordCodec(keyring: Keyring) {
  return {
    encodeRecord(head: OperationHead, state: OperationState): Buffer {
      const { id, accountId: _accountId, naturalKeyHash, ...others } = head
      const kept: KeptHead = {
        ...others,
        batchId: head.batchId === batchIdOf(id) ? true : head.batchId,
        ...(state.status === 'succeeded' ? {} : { naturalKeyHash }),
      }
      return seal(keyring, deflateRawSync(JSON.stringify([kept, state]), OPTIONS), bindings.operationRecord(id))
    },

    /** @throws UnreadableError */
    decodeRecord(accountId: string, operationId: string, blob: Buffer): { head: OperationHead; state: OperationState } {
      const bound = bindings.operationRecord(operationId)
      const [kept, state] = unpack(open(keyring, blob, bound), bound)
      const batchId = kept.batchId === true ? batchIdOf(operationId) : kept.batchId
      return {
        head: { ...kept, id: operationId, accountId, batchId, naturalKeyHash: kept.naturalKeyHash ?? '' },
        state,
      }
    },
  }
}

/** As the newest codec and the newest key have it; undefined where it is so already. @throws UnreadableError */
export function resealRecord(keyring: Keyring, blob: Buffer, bound: string): Buffer | undefined {
  const isCurrent = blob[0] === CODEC && !keyring.isCompactOutdated(blob.subarray(1), bound)
  return isCurrent ? undefined : seal(keyring, open(keyring, blob, bound), bound)
}

const seal = (keyring: Keyring, packed: Buffer, bound: string): Buffer =>
  Buffer.concat([Buffer.from([CODEC]), keyring.sealCompact(packed, bound)])

function open(keyring: Keyring, blob: Buffer, bound: string): Buffer {
  const codec = blob[0]
  if (codec === CODEC) return keyring.openCompact(blob.subarray(1), bound)
  if (codec !== undefined && UNSEALED.includes(codec)) return blob.subarray(1)
  throw new UnreadableError(
    bound,
    `a record of codec ${String(codec)}: this version of Muster reads codecs ${[...UNSEALED, CODEC].join(', ')}`,
  )
}

function unpack(packed: Buffer, bound: string): [KeptHead, OperationState] {
  try {
    return JSON.parse(inflateRawSync(packed, OPTIONS).toString()) as [KeptHead, OperationState]
  } catch (cause) {
    throw new UnreadableError(bound, 'it is damaged', { cause })
  }
}
