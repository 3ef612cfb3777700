import { istio } from './generated/messages.js'

const { ZdsHello, WorkloadRequest, WorkloadResponse } = istio.workload.zds

export interface WireWorkloadInfo {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** What the agent asks of the node proxy; `add` travels with exactly one descriptor. */
export type WireWorkloadRequest =
  | { readonly kind: 'add'; readonly uid: string; readonly info: WireWorkloadInfo | undefined }
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'del'; readonly uid: string }
  | { readonly kind: 'snapshot-sent' }

export const ZDS_VERSION_1 = 1

export function encodeZdsHello(version: number = ZDS_VERSION_1): Uint8Array {
  return ZdsHello.encode({ version }).finish()
}

/** @returns The version the peer speaks; 0 when it says none. @throws {Error} when the bytes are no such message. */
export function decodeZdsHello(bytes: Uint8Array): number {
  return ZdsHello.decode(bytes).version
}

export function encodeWorkloadRequest(request: WireWorkloadRequest): Uint8Array {
  switch (request.kind) {
    case 'add':
      return WorkloadRequest.encode({
        add: { uid: request.uid, workloadInfo: request.info ?? null },
      }).finish()
    case 'keep':
      return WorkloadRequest.encode({ keep: { uid: request.uid } }).finish()
    case 'del':
      return WorkloadRequest.encode({ del: { uid: request.uid } }).finish()
    case 'snapshot-sent':
      return WorkloadRequest.encode({ snapshotSent: {} }).finish()
  }
}

/** @returns undefined for a request of a kind that we do not know. @throws {Error} when the bytes are no such message. */
export function decodeWorkloadRequest(bytes: Uint8Array): WireWorkloadRequest | undefined {
  const { add, keep, del, snapshotSent } = WorkloadRequest.decode(bytes)
  if (add) {
    const info = add.workloadInfo
    const known = info
      ? { name: info.name ?? '', namespace: info.namespace ?? '', serviceAccount: info.serviceAccount ?? '' }
      : undefined
    return { kind: 'add', uid: add.uid ?? '', info: known }
  }
  if (keep) return { kind: 'keep', uid: keep.uid ?? '' }
  if (del) return { kind: 'del', uid: del.uid ?? '' }
  return snapshotSent ? { kind: 'snapshot-sent' } : undefined
}

/** @param error Empty for success. */
export function encodeWorkloadResponse(error: string): Uint8Array {
  return WorkloadResponse.encode({ ack: { error } }).finish()
}

/** @returns The answer's error, empty for success; undefined when it is no answer. @throws {Error} when the bytes are no such message. */
export function decodeWorkloadResponse(bytes: Uint8Array): string | undefined {
  const { ack } = WorkloadResponse.decode(bytes)
  return ack ? (ack.error ?? '') : undefined
}
