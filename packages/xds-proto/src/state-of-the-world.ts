import { envoy } from './generated/messages.js'
import type { DiscoveryNode } from './discovery.ts'
import { fromStruct, toStruct } from './struct.ts'

const { DiscoveryRequest, DiscoveryResponse } = envoy.service.discovery.v3

/** The variant without deltas, by which tools ask for debug information. */
export const STREAM_AGGREGATED_PATH =
  '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources'

export interface WorldRequest {
  /** On the first request of a stream. */
  readonly node: DiscoveryNode | undefined
  readonly typeUrl: string
  readonly names: readonly string[]
  /** Of the response that is acknowledged, or refused; empty in a question. */
  readonly nonce: string
}

export interface WorldResponse {
  readonly typeUrl: string
  readonly version: string
  readonly nonce: string
  readonly resources: readonly { readonly typeUrl: string; readonly bytes: Uint8Array }[]
}

export function encodeWorldRequest({ node, typeUrl, names, nonce }: WorldRequest): Buffer {
  return Buffer.from(
    DiscoveryRequest.encode({
      node: node === undefined ? null : { id: node.id, metadata: toStruct(node.metadata) },
      typeUrl,
      resourceNames: [...names],
      responseNonce: nonce,
    }).finish(),
  )
}

/** @throws {Error} when the bytes are no such message. */
export function decodeWorldRequest(bytes: Uint8Array): WorldRequest {
  const { node, typeUrl, resourceNames, responseNonce } = DiscoveryRequest.decode(bytes)
  return {
    node: node ? { id: node.id ?? '', metadata: fromStruct(node.metadata) } : undefined,
    typeUrl,
    names: resourceNames,
    nonce: responseNonce,
  }
}

export function encodeWorldResponse({ typeUrl, version, nonce, resources }: WorldResponse): Buffer {
  return Buffer.from(
    DiscoveryResponse.encode({
      typeUrl,
      versionInfo: version,
      nonce,
      resources: resources.map((each) => ({ type_url: each.typeUrl, value: each.bytes })),
    }).finish(),
  )
}

/** @throws {Error} when the bytes are no such message. */
export function decodeWorldResponse(bytes: Uint8Array): WorldResponse {
  const { typeUrl, versionInfo, nonce, resources } = DiscoveryResponse.decode(bytes)
  return {
    typeUrl,
    version: versionInfo,
    nonce,
    resources: resources.map((each) => ({
      typeUrl: each.type_url ?? '',
      bytes: each.value ?? new Uint8Array(0),
    })),
  }
}
