export {
  HandoverClient,
  type HandedSocket,
  type HandoverClientOptions,
  type HandoverRequest,
  type HandoverResult,
} from './handover-client.ts'
export { HANDOVER_LIMITS, type HandoverLimits } from './handover-limits.ts'
export { HandoverServer, type HandoverServerOptions } from './handover-server.ts'
export type { ZdsAddition, ZdsPod } from './pod-table.ts'
export { ZdsClient, type Ack, type ZdsClientOptions } from './zds-client.ts'
export type { OnResult, ZdsResult } from './zds-connection.ts'
export { ZDS_LIMITS, type ZdsLimits } from './zds-limits.ts'
export {
  type DecodedRequest,
  decodeRequest,
  type ZdsPacket,
  type ZdsPodInfo,
  type ZdsRequest,
} from './zds-request.ts'
export { ZdsServer, type ZdsServerOptions } from './zds-server.ts'
