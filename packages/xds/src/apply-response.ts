import { errorText } from '@ambient/lifecycle'
import { type Address, addressName } from '@ambient/model'
import { type AuthorizationPolicy, policyKey } from '@ambient/policy'
import type { DeltaResource, DeltaResponse } from '@ambient/xds-proto'
import { decodeAddress } from './address-codec.ts'
import { decodeAuthorization } from './authorization-codec.ts'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from './type-urls.ts'
import { invalid } from './xds-error.ts'

export interface Delta<T> {
  readonly upserts: readonly T[]
  /** To be applied before the upserts. */
  readonly removed: readonly string[]
}

/** Where what the control plane says goes. The answer to it is sent after the promise settles. */
export interface XdsSink {
  onAddresses(delta: Delta<Address>): void | Promise<void>
  onAuthorizations(delta: Delta<AuthorizationPolicy>): void | Promise<void>
}

/** What is subscribed to, in this order: no workload is to be known before its policies. */
export const SUBSCRIBED_TYPES: readonly string[] = [AUTHORIZATION_TYPE, ADDRESS_TYPE]

interface Taking<T> {
  readonly decode: (bytes: Uint8Array) => T
  readonly nameOf: (value: T) => string
  readonly give: (delta: Delta<T>) => void | Promise<void>
}

/**
 * Gives the content of one response to the sink, in slices with other work between them, and keeps `known` (name →
 * version) equal to what the sink has taken. One resource that cannot be used is refused by name and stops no other.
 *
 * @returns `name: reason` for each resource that was refused; what was known of it before stays in force.
 */
export async function applyResponse(
  response: DeltaResponse,
  sink: XdsSink,
  known: Map<string, string>,
  sliceResources: number,
): Promise<readonly string[]> {
  const refused: string[] = []
  for (let at = 0; at === 0 || at < response.resources.length; at += sliceResources) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve))
    const slice: Slice = {
      typeUrl: response.typeUrl,
      resources: response.resources.slice(at, at + sliceResources),
      removed: at === 0 ? response.removed : [],
      known,
    }
    refused.push(
      ...(response.typeUrl === ADDRESS_TYPE
        ? await applySlice(slice, addressesTo(sink))
        : await applySlice(slice, authorizationsTo(sink))),
    )
  }
  return refused
}

function addressesTo(sink: XdsSink): Taking<Address> {
  return { decode: decodeAddress, nameOf: addressName, give: (delta) => sink.onAddresses(delta) }
}

function authorizationsTo(sink: XdsSink): Taking<AuthorizationPolicy> {
  return { decode: decodeAuthorization, nameOf: policyKey, give: (delta) => sink.onAuthorizations(delta) }
}

interface Slice {
  readonly typeUrl: string
  readonly resources: readonly DeltaResource[]
  readonly removed: readonly string[]
  readonly known: Map<string, string>
}

async function applySlice<T>(slice: Slice, taking: Taking<T>): Promise<readonly string[]> {
  const { removed, known } = slice
  const upserts: T[] = []
  const accepted: DeltaResource[] = []
  const refused: string[] = []
  for (const resource of slice.resources) {
    try {
      upserts.push(read(resource, slice.typeUrl, taking))
      accepted.push(resource)
    } catch (cause) {
      refused.push(`${resource.name}: ${errorText(cause)}`)
    }
  }
  if (upserts.length > 0 || removed.length > 0) await taking.give({ upserts, removed })
  for (const name of removed) known.delete(name)
  for (const { name, version } of accepted) known.set(name, version)
  return refused
}

function read<T>(
  { name, typeUrl, bytes }: DeltaResource,
  expected: string,
  { decode, nameOf }: Taking<T>,
): T {
  if (typeUrl !== expected) throw invalid(`it is of type "${typeUrl}"`)
  const value = decode(bytes)
  // Removals go by resource name: one that differs from the content could never be taken away again.
  if (nameOf(value) !== name) throw invalid(`it holds "${nameOf(value)}"`)
  return value
}
