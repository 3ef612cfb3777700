import { envoy } from './generated/messages.js'
import { fromStruct, type JsonObject, toStruct } from './struct.ts'

const { DeltaDiscoveryRequest, DeltaDiscoveryResponse } = envoy.service.discovery.v3

export const DELTA_AGGREGATED_PATH =
  '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'

export interface DiscoveryNode {
  readonly id: string
  readonly metadata: JsonObject
}

export interface DeltaRequest {
  /** On the first request of a stream. */
  readonly node: DiscoveryNode | undefined
  readonly typeUrl: string
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
  /** Name → version of what the client still holds from an earlier stream. */
  readonly initialVersions: Readonly<Record<string, string>>
  readonly nonce: string
  /** Present on a NACK. */
  readonly error: { readonly code: number; readonly message: string } | undefined
}

export interface DeltaResource {
  readonly name: string
  readonly version: string
  readonly typeUrl: string
  readonly bytes: Uint8Array
  readonly aliases: readonly string[]
}

export interface DeltaResponse {
  readonly typeUrl: string
  readonly nonce: string
  readonly systemVersion: string
  readonly resources: readonly DeltaResource[]
  readonly removed: readonly string[]
}

export function encodeDeltaRequest(request: Partial<DeltaRequest> & Pick<DeltaRequest, 'typeUrl'>): Buffer {
  const { node, error } = request
  const bytes = DeltaDiscoveryRequest.encode({
    node: node === undefined ? null : { id: node.id, metadata: toStruct(node.metadata) },
    typeUrl: request.typeUrl,
    resourceNamesSubscribe: [...(request.subscribe ?? [])],
    resourceNamesUnsubscribe: [...(request.unsubscribe ?? [])],
    initialResourceVersions: { ...request.initialVersions },
    responseNonce: request.nonce ?? '',
    errorDetail: error === undefined ? null : { code: error.code, message: error.message },
  }).finish()
  return asBuffer(bytes)
}

/** @throws {Error} when the bytes are no such message. */
export function decodeDeltaRequest(bytes: Uint8Array): DeltaRequest {
  const wire = DeltaDiscoveryRequest.decode(bytes)
  return {
    node: wire.node ? { id: wire.node.id ?? '', metadata: fromStruct(wire.node.metadata) } : undefined,
    typeUrl: wire.typeUrl,
    subscribe: wire.resourceNamesSubscribe,
    unsubscribe: wire.resourceNamesUnsubscribe,
    initialVersions: wire.initialResourceVersions,
    nonce: wire.responseNonce,
    error: wire.errorDetail
      ? { code: wire.errorDetail.code ?? 0, message: wire.errorDetail.message ?? '' }
      : undefined,
  }
}

export function encodeDeltaResponse({ resources, ...head }: DeltaResponse): Buffer {
  return Buffer.concat([encodeDeltaResponseHead(head), ...resources.map(encodeDeltaResource)])
}

/** One resource as it stands in a response: made once, it goes into any number of them. */
export function encodeDeltaResource({ name, version, typeUrl, bytes, aliases }: DeltaResource): Buffer {
  const resource = { name, version, aliases: [...aliases], resource: { type_url: typeUrl, value: bytes } }
  return asBuffer(DeltaDiscoveryResponse.encode({ resources: [resource] }).finish())
}

/** A response without its resources: those follow or come before, encoded, since fields of a message may come in any pieces. */
export function encodeDeltaResponseHead(head: Omit<DeltaResponse, 'resources'>): Buffer {
  const { systemVersion, typeUrl, nonce, removed } = head
  const wire = DeltaDiscoveryResponse.encode({
    systemVersionInfo: systemVersion,
    typeUrl,
    nonce,
    removedResources: [...removed],
  })
  return asBuffer(wire.finish())
}

/** @throws {Error} when the bytes are no such message. */
export function decodeDeltaResponse(bytes: Uint8Array): DeltaResponse {
  const wire = DeltaDiscoveryResponse.decode(bytes)
  return {
    typeUrl: wire.typeUrl,
    nonce: wire.nonce,
    systemVersion: wire.systemVersionInfo,
    removed: wire.removedResources,
    resources: wire.resources.map(({ name, version, resource, aliases }) => ({
      name: name ?? '',
      version: version ?? '',
      typeUrl: resource?.type_url ?? '',
      bytes: resource?.value ?? new Uint8Array(0),
      aliases: aliases ?? [],
    })),
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
