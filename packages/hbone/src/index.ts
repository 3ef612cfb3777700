export { formatAuthority, parseAuthority, type Authority } from './authority.ts'
export { buildBaggage, parseBaggage, type BaggageFacts, type BaggageWorkloadType } from './baggage.ts'
export {
  connectFields,
  parseRequest,
  parseStatus,
  type ParsedRequest,
  type RequestRefusal,
  type TunnelRequest,
} from './connect-message.ts'
export {
  buildForwarded,
  crossedNetworks,
  FORWARDED_NETWORK,
  parseForwarded,
  type Forwarded,
} from './forwarded.ts'
export { encodeHeaders } from './encode-headers.ts'
export { FrameParser, type FrameSink, type ParserLimits } from './frame-parser.ts'
export { H2_CODE } from './h2-constants.ts'
export { H2Session, type SessionDeps } from './h2-session.ts'
export { H2ConnectionError, HboneError, HpackError, type HboneErrorCode } from './hbone-error.ts'
export { fieldValues, type HeaderField } from './header-field.ts'
export { HpackDecoder, type DecodedHeaders, type HpackLimits } from './hpack-decoder.ts'
export { HBONE_LIMITS, hboneLimits, type HboneLimitName, type HboneLimits } from './limits.ts'
export { LoopBuffers } from './loop-buffers.ts'
export { nestSession, type NestedDeps } from './nest-session.ts'
export { PipeCache } from './pipe-cache.ts'
export {
  decodeProxyHeader,
  encodeProxyHeader,
  PROXY_TLV_PEER_ID,
  type Decoded,
  type ProxyEndpoint,
  type ProxyHeader,
  type ProxyTlv,
} from './proxy-header.ts'
export { describeRelayEnd, Relay, type RelayDeps, type RelayEnd } from './relay.ts'
export type { OpenOptions } from './session-deps.ts'
export { describeSessionEnd, type HandshakeFault, type SessionEnd } from './session-end.ts'
export { SessionPool } from './session-pool.ts'
export type { SessionState } from './session-state.ts'
export { describeTunnelEnd, type TunnelEnd, type UntouchedCause } from './tunnel-end.ts'
export { buildTraceparent, parseTraceparent, type Traceparent } from './traceparent.ts'
export { Tunnel, type AttachOptions } from './tunnel.ts'
