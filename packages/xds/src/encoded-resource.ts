import { hash } from 'node:crypto'
import { encodeDeltaResource } from '@ambient/xds-proto'

/** A resource ready to send; its bytes are made once and shared by all clients. */
export class EncodedResource {
  readonly name: string
  readonly typeUrl: string
  readonly version: string
  /** The message with name, type and version, as a piece of any response. */
  readonly frame: Uint8Array
  /** Other names of the same thing, under which it may be asked for: its addresses as `network/ip`. */
  readonly aliases: readonly string[]
  /** What it belongs to, by names under which all that belong are asked for: its services, its node. */
  readonly groups: readonly string[]
  readonly #length: number

  constructor(
    of: Pick<EncodedResource, 'name' | 'typeUrl' | 'version'> & ResourceKeys,
    frame: Uint8Array,
    length: number,
  ) {
    this.name = of.name
    this.typeUrl = of.typeUrl
    this.version = of.version
    this.aliases = of.aliases
    this.groups = of.groups
    this.frame = frame
    this.#length = length
  }

  /** The message itself: it stands in the frame, before the name, which is a field of the frame's one resource. */
  get bytes(): Uint8Array {
    const nameBytes = Buffer.byteLength(this.name)
    const end = this.frame.length - 1 - varintBytes(nameBytes) - nameBytes
    return this.frame.subarray(end - this.#length, end)
  }
}

/** What a resource is found by, besides its name. */
export interface ResourceKeys {
  readonly aliases: readonly string[]
  readonly groups: readonly string[]
}

const NO_KEYS: ResourceKeys = { aliases: [], groups: [] }

/** @param version Default: that of the content. */
export function encodedResource(
  of: { readonly name: string; readonly typeUrl: string; readonly keys?: ResourceKeys },
  bytes: Uint8Array,
  version: string = contentVersion(bytes),
): EncodedResource {
  const { name, typeUrl, keys = NO_KEYS } = of
  const made = encodeDeltaResource({ name, version, typeUrl, bytes, aliases: [] })
  // Node's pool of small buffers keeps 64 KB alive for each that outlives its neighbours: measured, five times as much.
  const frame = Buffer.allocUnsafeSlow(made.length)
  frame.set(made)
  return new EncodedResource({ name, typeUrl, version, ...keys }, frame, bytes.length)
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : 3
}

/**
 * The first 64 bits of SHA-1 over the content, hexadecimal: two replicas that send the same bytes give the same
 * version. Versions are compared for equality only, so which hash it is concerns nobody; this one is in every Node.
 */
export function contentVersion(bytes: Uint8Array): string {
  return hash('sha1', bytes, 'hex').slice(0, 16)
}
