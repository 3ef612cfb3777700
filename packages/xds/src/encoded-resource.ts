import { hash } from 'node:crypto'
import { encodeDeltaResource } from '@ambient/xds-proto'

/** A resource ready to send; its bytes are made once and shared by all clients. */
export interface EncodedResource {
  readonly name: string
  readonly typeUrl: string
  readonly version: string
  /** The message itself. */
  readonly bytes: Uint8Array
  /** The message with name, type and version, as a piece of any response. */
  readonly frame: Uint8Array
}

/** @param version Default: that of the content. */
export function encodedResource(
  name: string,
  typeUrl: string,
  bytes: Uint8Array,
  version: string = contentVersion(bytes),
): EncodedResource {
  return {
    name,
    typeUrl,
    version,
    bytes,
    frame: encodeDeltaResource({ name, version, typeUrl, bytes, aliases: [] }),
  }
}

/**
 * The first 64 bits of SHA-1 over the content, hexadecimal: two replicas that send the same bytes give the same
 * version. Versions are compared for equality only, so which hash it is concerns nobody; this one is in every Node.
 */
export function contentVersion(bytes: Uint8Array): string {
  return hash('sha1', bytes, 'hex').slice(0, 16)
}
