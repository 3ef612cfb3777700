import { promisify } from 'node:util'
import { constants, crc32, deflateRaw } from 'node:zlib'

/** Bytes compressed once, to stand at the front of any number of messages. */
export interface DeflatedBody {
  readonly deflated: Buffer
  readonly bytes: number
  readonly crc: number
}

/** Magic, deflate, no flags, no time, fastest, unknown system. */
const HEADER = Buffer.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255)
const MAX_STORED_BYTES = 0xffff
const deflate = promisify(deflateRaw)

/** Off the event loop; level 1, since what is sent repeats itself and every level finds that. */
export async function deflateBody(body: Uint8Array): Promise<DeflatedBody> {
  const deflated = await deflate(body, { level: 1, finishFlush: constants.Z_SYNC_FLUSH })
  return { deflated, bytes: body.length, crc: crc32(body) }
}

/**
 * One gzip member of `body` and, behind it, `tail` as it is: what differs from message to message costs no compressing.
 * One member and not two, because some readers stop after the first.
 *
 * @see RFC 1951 section 3.2.4, RFC 1952
 */
export function gzipMessage(body: DeflatedBody, tail: Uint8Array): readonly Uint8Array[] {
  const end = Buffer.allocUnsafe(8)
  end.writeUInt32LE(crc32(tail, body.crc), 0)
  end.writeUInt32LE((body.bytes + tail.length) >>> 0, 4)
  return [HEADER, body.deflated, ...storedBlocks(tail), end]
}

function storedBlocks(bytes: Uint8Array): readonly Uint8Array[] {
  const blocks: Uint8Array[] = []
  let at = 0
  do {
    const part = bytes.subarray(at, at + MAX_STORED_BYTES)
    at += part.length
    const head = Buffer.allocUnsafe(5)
    head.writeUInt8(at === bytes.length ? 1 : 0, 0) // the last block of the member, or not
    head.writeUInt16LE(part.length, 1)
    head.writeUInt16LE(~part.length & MAX_STORED_BYTES, 3)
    blocks.push(head, part)
  } while (at < bytes.length)
  return blocks
}
