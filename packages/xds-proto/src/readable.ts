import { istio } from './generated/messages.js'
import type { JsonObject, JsonValue } from './struct.ts'

/** Messages that dumps show. */
export type ReadableKind = 'address' | 'workload' | 'authorization' | 'proxy-config'

/** The one field of a wrapper type. */
const WRAPPED = 'capacity'
const OPTIONS = { enums: String, objects: false, arrays: false }

/**
 * A message as JSON: protobuf's JSON form, enums by their names and what is not set left out.
 *
 * @param bytesToText How bytes are shown; all there are here are IP addresses.
 * @throws {Error} when the bytes are no such message.
 */
export function readableMessage(
  kind: ReadableKind,
  bytes: Uint8Array,
  bytesToText: (bytes: Uint8Array) => string,
): JsonObject {
  return toJsonObject(toObject(kind, bytes), bytesToText)
}

function toObject(kind: ReadableKind, bytes: Uint8Array): object {
  const { Address, Workload } = istio.workload
  const { Authorization } = istio.security
  const { ProxyConfig } = istio.mesh.v1alpha1
  switch (kind) {
    case 'address':
      return Address.toObject(Address.decode(bytes), OPTIONS)
    case 'workload':
      return Workload.toObject(Workload.decode(bytes), OPTIONS)
    case 'authorization':
      return Authorization.toObject(Authorization.decode(bytes), OPTIONS)
    case 'proxy-config':
      return ProxyConfig.toObject(ProxyConfig.decode(bytes), OPTIONS)
  }
}

function toJsonObject(value: object, bytesToText: (bytes: Uint8Array) => string): JsonObject {
  return Object.fromEntries(
    Object.entries(value).map(([name, each]: [string, unknown]) => [
      name,
      name === WRAPPED ? unwrapped(each) : toJson(each, bytesToText),
    ]),
  )
}

/** A wrapper message is its number, which is 0 if nothing is in it. */
function unwrapped(value: unknown): number {
  const inner: unknown = typeof value === 'object' && value !== null && 'value' in value ? value.value : 0
  return typeof inner === 'number' ? inner : 0
}

function toJson(value: unknown, bytesToText: (bytes: Uint8Array) => string): JsonValue {
  if (value instanceof Uint8Array) return bytesToText(value)
  if (Array.isArray(value)) return value.map((each: unknown) => toJson(each, bytesToText))
  if (typeof value === 'object' && value !== null) return toJsonObject(value, bytesToText)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null
}
