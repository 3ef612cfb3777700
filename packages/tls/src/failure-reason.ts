import { errnoName } from '@ambient/linux'
import { ssl, textAt } from './openssl.ts'

const X509_V_OK = 0n
const SSL_ERROR_SYSCALL = 5
const ALERT = / alert (.+)$/
const UNEXPECTED_EOF = 'unexpected eof while reading'
const CUT = 'peer closed without TLS close'
const NO_CERTIFICATE = 'peer did not return a certificate'

export interface TlsFailure {
  readonly reason: string
  /** It is the peer's that stood in the way. */
  readonly certificate?: 'missing' | 'refused'
}

/**
 * Why the last call on `connection` failed, in words for a log. Empties the error queue of this thread: what is left
 * in it would make the next connection's `SSL_get_error` lie.
 *
 * @param error What `SSL_get_error` said.
 * @param code `errno()`, read right after the failed call.
 */
export function takeFailure(connection: bigint, error: number, code: number): TlsFailure {
  const queued = takeError()
  const verdict = ssl.SSL_get_verify_result(connection)
  if (verdict !== X509_V_OK) {
    const fault = textAt(ssl.X509_verify_cert_error_string(verdict))
    return { reason: `peer's certificate refused: ${fault}`, certificate: 'refused' }
  }
  if (queued === NO_CERTIFICATE) return { reason: 'peer sent no certificate', certificate: 'missing' }
  if (queued === UNEXPECTED_EOF) return { reason: CUT }
  if (queued !== '') return { reason: describe(queued) }
  if (error === SSL_ERROR_SYSCALL) return { reason: code === 0 ? CUT : `socket: ${errnoName(code)}` }
  return { reason: 'TLS failed without a reason' }
}

/** The oldest queued error of this thread in words, empty when there is none; empties the queue. */
export function takeError(): string {
  const code = ssl.ERR_get_error()
  const text = code === 0n ? '' : textAt(ssl.ERR_reason_error_string(code))
  ssl.ERR_clear_error()
  return code !== 0n && text === '' ? `OpenSSL error ${code.toString(16)}` : text
}

/** `tlsv1 alert unknown ca` is what the peer told us; anything else is our own finding. */
function describe(reason: string): string {
  const alert = ALERT.exec(reason)?.[1]
  return alert === undefined ? reason : `peer refused us: ${alert}`
}
