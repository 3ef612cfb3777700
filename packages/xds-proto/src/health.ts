import { grpc } from './generated/messages.js'

const { HealthCheckRequest, HealthCheckResponse } = grpc.health.v1

export const HEALTH_CHECK_PATH = '/grpc.health.v1.Health/Check'
export const HEALTH_WATCH_PATH = '/grpc.health.v1.Health/Watch'

const STATUSES = ['unknown', 'serving', 'not-serving', 'service-unknown'] as const
export type HealthStatus = (typeof STATUSES)[number]

/** @param service Full name; empty for the server as a whole. */
export function encodeHealthRequest(service: string): Buffer {
  return Buffer.from(HealthCheckRequest.encode({ service }).finish())
}

/** @throws {Error} when the bytes are no such message. */
export function decodeHealthRequest(bytes: Uint8Array): string {
  return HealthCheckRequest.decode(bytes).service
}

export function encodeHealthResponse(status: HealthStatus): Buffer {
  return Buffer.from(HealthCheckResponse.encode({ status: STATUSES.indexOf(status) }).finish())
}

/** @throws {Error} when the bytes are no such message. */
export function decodeHealthResponse(bytes: Uint8Array): HealthStatus {
  return STATUSES[HealthCheckResponse.decode(bytes).status] ?? 'unknown'
}
