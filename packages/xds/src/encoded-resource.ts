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
  /** Other names of the same thing, under which it may be asked for: its addresses as `network/ip`. */
  readonly aliases: readonly string[]
  /** What it belongs to, by names under which all that belong are asked for: its services, its node. */
  readonly groups: readonly string[]
}

/** What a resource is found by, besides its name. */
export type ResourceKeys = Pick<EncodedResource, 'aliases' | 'groups'>

const NO_KEYS: ResourceKeys = { aliases: [], groups: [] }

/** @param version Default: that of the content. */
export function encodedResource(
  of: { readonly name: string; readonly typeUrl: string; readonly keys?: ResourceKeys },
  bytes: Uint8Array,
  version: string = contentVersion(bytes),
): EncodedResource {
  const { name, typeUrl, keys = NO_KEYS } = of
  const frame = encodeDeltaResource({ name, version, typeUrl, bytes, aliases: [] })
  return { name, typeUrl, version, bytes, frame, ...keys }
}

/**
 * The first 64 bits of SHA-1 over the content, hexadecimal: two replicas that send the same bytes give the same
 * version. Versions are compared for equality only, so which hash it is concerns nobody; this one is in every Node.
 */
export function contentVersion(bytes: Uint8Array): string {
  return hash('sha1', bytes, 'hex').slice(0, 16)
}
