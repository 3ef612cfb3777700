export {
  decodeWireAuthorization,
  encodeWireAuthorization,
  type WireAuthorization,
  type WireCidr,
  type WireMatch,
  type WireServiceAccount,
  type WireStringMatch,
} from './authorization.ts'
export {
  CREATE_CERTIFICATE_PATH,
  type CertificateRequest,
  type CertificateResponse,
  decodeCertificateRequest,
  decodeCertificateResponse,
  encodeCertificateRequest,
  encodeCertificateResponse,
} from './ca.ts'
export {
  CLIENT_CONFIG_TYPE,
  type ConfigStatus,
  decodeClientConfig,
  encodeClientConfig,
  type WireClientConfig,
} from './client-config.ts'
export {
  decodeDeltaRequest,
  decodeDeltaResponse,
  DELTA_AGGREGATED_PATH,
  type DeltaRequest,
  type DeltaResource,
  type DeltaResponse,
  type DiscoveryNode,
  encodeDeltaRequest,
  encodeDeltaResource,
  encodeDeltaResponse,
  encodeDeltaResponseHead,
} from './discovery.ts'
export {
  decodeHandoverAnswer,
  decodeHandoverRequest,
  encodeHandoverAnswer,
  encodeHandoverRequest,
  HANDOVER_VERSION_1,
  type SocketRole,
  type WireHandoverAnswer,
  type WireHandoverRequest,
  type WireSocket,
} from './handover.ts'
export {
  decodeHealthRequest,
  decodeHealthResponse,
  encodeHealthRequest,
  encodeHealthResponse,
  HEALTH_CHECK_PATH,
  HEALTH_WATCH_PATH,
  type HealthStatus,
} from './health.ts'
export { decodeProxyConfig, encodeProxyConfig, type WireProxyConfig } from './proxy-config.ts'
export { encodeEnvoyMessage, type EnvoyFields, type EnvoyValue } from './envoy-message.ts'
export { readableMessage, type ReadableKind } from './readable.ts'
export {
  decodeReflectionRequest,
  decodeReflectionResponse,
  describingFiles,
  encodeReflectionRequest,
  encodeReflectionResponse,
  REFLECTION_PATHS,
  type ReflectionAnswer,
  type ReflectionQuestion,
} from './reflection.ts'
export {
  decodeWorldRequest,
  decodeWorldResponse,
  encodeWorldRequest,
  encodeWorldResponse,
  STREAM_AGGREGATED_PATH,
  type WorldRequest,
  type WorldResponse,
} from './state-of-the-world.ts'
export type { JsonObject, JsonValue } from './struct.ts'
export {
  decodeWireAddress,
  decodeWireWorkload,
  encodeWireAddress,
  innerWireWorkload,
  type WireAddress,
  type WireGatewayAddress,
  type WireLocality,
  type WireNetworkAddress,
  type WirePort,
  type WireService,
  type WireWorkload,
} from './workload.ts'
export {
  decodeWorkloadRequest,
  decodeWorkloadResponse,
  decodeZdsHello,
  encodeWorkloadRequest,
  encodeWorkloadResponse,
  encodeZdsHello,
  type WireWorkloadInfo,
  type WireWorkloadRequest,
  ZDS_VERSION_1,
} from './zds.ts'
