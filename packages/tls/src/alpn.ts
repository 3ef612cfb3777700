import { Arena, copyOut } from '@ambient/linux'
import { putByte, putPointer, registerAlpnCallback, ssl, type AlpnArguments } from './openssl.ts'

const TLSEXT_ERR_OK = 0
const TLSEXT_ERR_ALERT_FATAL = 2
const NAME = '\x02h2'

// OpenSSL keeps the answer's address, so it must be memory that stays.
const protocol = new Arena(8)
protocol.bytes.set(Buffer.from(NAME, 'latin1'))
const answer = new Arena(16)

// Called on this thread, once a handshake.
const select = registerAlpnCallback(selectH2)

/** Offers h2 as a client; as a server takes h2 or refuses with an alert. */
export function useH2(context: bigint): boolean {
  ssl.SSL_CTX_set_alpn_select_cb(context, select, 0n)
  return ssl.SSL_CTX_set_alpn_protos(context, protocol.base, NAME.length) === 0
}

/** Whether the handshake ended in h2; false when the peer offered no protocol at all. */
export function negotiatedH2(connection: bigint): boolean {
  answer.bytes.fill(0)
  ssl.SSL_get0_alpn_selected(connection, answer.base, answer.at(8))
  const length = answer.view.getUint32(8, true)
  return length === 2 && copyOut(answer.view.getBigUint64(0, true), 2).toString('latin1') === 'h2'
}

function selectH2(...[, out, outLength, offered, length]: AlpnArguments): number {
  if (typeof out !== 'bigint' || typeof outLength !== 'bigint' || typeof offered !== 'bigint')
    return TLSEXT_ERR_ALERT_FATAL
  const protocols = copyOut(offered, length)
  for (let at = 0; at < protocols.length; at += 1 + protocols.readUInt8(at)) {
    if (protocols.toString('latin1', at, at + NAME.length) !== NAME) continue
    putPointer(out, protocol.at(1))
    putByte(outLength, NAME.length - 1)
    return TLSEXT_ERR_OK
  }
  return TLSEXT_ERR_ALERT_FATAL
}
