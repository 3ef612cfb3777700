export { checkOpenSsl } from './check-openssl.ts'
export { liveTlsObjects, type TlsObjectCounts } from './live-objects.ts'
export { PlainTransport } from './plain-transport.ts'
export { TlsContext, type TlsCredentials, type TlsOptions } from './tls-context.ts'
export { TlsError, type TlsErrorCode } from './tls-error.ts'
export { TlsTransport, type Negotiated } from './tls-transport.ts'
export {
  MAX_WRITE_BYTES,
  type HandshakeResult,
  type ReadResult,
  type Transport,
} from './transport.ts'
