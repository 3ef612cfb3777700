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
