import type { Address } from '@ambient/model'
import type { AuthorizationPolicy } from '@ambient/policy'
import type { DeltaResponse } from '@ambient/xds-proto'
import { decodeAddress } from './address-codec.ts'
import { decodeAuthorization } from './authorization-codec.ts'

export interface Delta<T> {
  readonly upserts: readonly T[]
  readonly removed: readonly string[]
}

/** Where what the control plane says goes. The answer to it is sent after the promise settles. */
export interface XdsSink {
  onAddresses(delta: Delta<Address>): void | Promise<void>
  onAuthorizations(delta: Delta<AuthorizationPolicy>): void | Promise<void>
}

export interface Decoded<T> {
  readonly delta: Delta<T>
  readonly accepted: ReadonlyMap<string, string>
  /** `name: reason`, one a resource that was refused. */
  readonly refused: readonly string[]
}

const SLICE = 500

export const decodeAddresses = async (response: DeltaResponse): Promise<Decoded<Address>> => await decodeAll(response, decodeAddress)
export const decodeAuthorizations = async (response: DeltaResponse): Promise<Decoded<AuthorizationPolicy>> => await decodeAll(response, decodeAuthorization)

/** Decodes what can be decoded; one bad resource is refused by name and stops none of the others. Yields between slices. */
async function decodeAll<T>(response: DeltaResponse, decode: (bytes: Uint8Array) => T): Promise<Decoded<T>> {
  const upserts: T[] = []
  const refused: string[] = []
  const accepted = new Map<string, string>()
  for (const [index, { name, version, typeUrl, bytes }] of response.resources.entries()) {
    if (index > 0 && index % SLICE === 0) await new Promise((resolve) => setImmediate(resolve))
    try {
      if (typeUrl !== response.typeUrl) throw new Error(`it is a ${typeUrl}`)
      upserts.push(decode(bytes))
      accepted.set(name, version)
    } catch (cause) {
      refused.push(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
  }
  return { delta: { upserts, removed: response.removed }, accepted, refused }
}
