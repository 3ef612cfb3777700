import { decodeWorkloadRequest, encodeWorkloadResponse, type WireWorkloadInfo } from '@ambient/xds-proto'

/** Whose pod it is: the agent's word, from the API server. */
export type ZdsPodInfo = WireWorkloadInfo

/** What the agent asks of the node proxy. */
export type ZdsRequest =
  /** `netns` is a descriptor and becomes the receiver's. */
  | { readonly kind: 'add'; readonly uid: string; readonly info: ZdsPodInfo; readonly netns: number }
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'del'; readonly uid: string }
  | { readonly kind: 'snapshot-sent' }

export type DecodedRequest =
  | { readonly kind: 'request'; readonly request: ZdsRequest }
  /** Said nothing we can read: tell it and connect anew. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** Said something that must not be said: the two sides have parted. */
  | { readonly kind: 'violation'; readonly reason: string }

/** One packet as it came. */
export interface ZdsPacket {
  readonly bytes: Uint8Array
  readonly fds: readonly number[]
  readonly truncated: boolean
}

/** Reads one packet of the agent. Pure: unless the answer is an `add`, its descriptors are still the caller's to close. */
export function decodeRequest(packet: ZdsPacket): DecodedRequest {
  if (packet.truncated) return { kind: 'unreadable', reason: 'message truncated' }
  const request = tryDecode(packet.bytes)
  if (request === undefined) return { kind: 'unreadable', reason: 'no known request' }
  const [netns] = packet.fds
  if (request.kind !== 'add') {
    if (netns === undefined) return { kind: 'request', request }
    return { kind: 'unreadable', reason: `${packet.fds.length} descriptors with a ${request.kind} request` }
  }
  if (netns === undefined || packet.fds.length !== 1) {
    return { kind: 'unreadable', reason: `${packet.fds.length} descriptors with an add request, 1 expected` }
  }
  const { uid, info } = request
  if (info === undefined) return { kind: 'violation', reason: `add of ${uid} without workload info` }
  return { kind: 'request', request: { kind: 'add', uid, info, netns } }
}

/** The answer to a request: success without an error; a long text is cut to `maxErrorBytes` of UTF-8. */
export function encodeAck(error: string | undefined, maxErrorBytes: number): Uint8Array {
  return encodeWorkloadResponse(error === undefined ? '' : cutText(error, maxErrorBytes))
}

function tryDecode(bytes: Uint8Array): ReturnType<typeof decodeWorkloadRequest> {
  try {
    return decodeWorkloadRequest(bytes)
  } catch {
    return undefined
  }
}

function cutText(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= maxBytes) return text
  // A continuation byte at the cut means that a character is split there.
  let end = maxBytes
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
