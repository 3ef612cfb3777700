import { ipFromBytes } from '@ambient/model'
import { type JsonObject, readableMessage, type ReadableKind } from '@ambient/xds-proto'
import type { EncodedResource } from './encoded-resource.ts'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, PROXY_CONFIG_TYPE, WORKLOAD_TYPE } from './type-urls.ts'

const KINDS: ReadonlyMap<string, ReadableKind> = new Map([
  [ADDRESS_TYPE, 'address'],
  [WORKLOAD_TYPE, 'workload'],
  [AUTHORIZATION_TYPE, 'authorization'],
  [PROXY_CONFIG_TYPE, 'proxy-config'],
])

/** What a resource says, in protobuf's JSON form but for IP addresses, which are readable. */
export function describeResource({ typeUrl, bytes }: Pick<EncodedResource, 'typeUrl' | 'bytes'>): JsonObject {
  const kind = KINDS.get(typeUrl)
  return kind === undefined ? {} : readableMessage(kind, bytes, textOf)
}

function textOf(bytes: Uint8Array): string {
  return ipFromBytes(bytes) ?? Buffer.from(bytes).toString('base64')
}
