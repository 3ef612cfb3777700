import { envoy } from './generated/messages.js'
import type { DiscoveryNode } from './discovery.ts'
import { fromStruct, toStruct } from './struct.ts'

const { ClientConfig } = envoy.service.status.v3

const STATUSES = ['unknown', 'synced', 'not-sent', 'stale', 'error'] as const
export type ConfigStatus = (typeof STATUSES)[number]

export const CLIENT_CONFIG_TYPE = 'type.googleapis.com/envoy.service.status.v3.ClientConfig'

/** What a client was sent of each type and what it said to it. */
export interface WireClientConfig {
  readonly node: DiscoveryNode
  readonly types: readonly {
    readonly typeUrl: string
    readonly status: ConfigStatus
    readonly version: string
    readonly updatedAtMs: number
  }[]
}

export function encodeClientConfig({ node, types }: WireClientConfig): Buffer {
  return Buffer.from(
    ClientConfig.encode({
      node: { id: node.id, metadata: toStruct(node.metadata) },
      genericXdsConfigs: types.map(({ typeUrl, status, version, updatedAtMs }) => ({
        typeUrl,
        versionInfo: version,
        configStatus: STATUSES.indexOf(status),
        lastUpdated: { seconds: Math.floor(updatedAtMs / 1000), nanos: (updatedAtMs % 1000) * 1_000_000 },
      })),
    }).finish(),
  )
}

/** @throws {Error} when the bytes are no such message. */
export function decodeClientConfig(bytes: Uint8Array): WireClientConfig {
  const { node, genericXdsConfigs } = ClientConfig.decode(bytes)
  return {
    node: { id: node?.id ?? '', metadata: fromStruct(node?.metadata) },
    types: genericXdsConfigs.map(({ typeUrl, versionInfo, configStatus, lastUpdated }) => ({
      typeUrl: typeUrl ?? '',
      status: STATUSES[configStatus ?? 0] ?? 'unknown',
      version: versionInfo ?? '',
      updatedAtMs: (lastUpdated?.seconds ?? 0) * 1000 + (lastUpdated?.nanos ?? 0) / 1_000_000,
    })),
  }
}
