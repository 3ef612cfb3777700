import { createHash } from 'node:crypto'

/** A resource ready to send; its bytes are shared by all clients. */
export interface EncodedResource {
  readonly name: string
  readonly typeUrl: string
  readonly version: string
  readonly bytes: Uint8Array
}

/** 64 bits of a hash of the content: two replicas that send the same bytes give the same version. */
export function contentVersion(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex').slice(0, 16)
}
