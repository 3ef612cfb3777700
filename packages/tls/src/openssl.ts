/** The OpenSSL inside the node binary, through node:ffi: the only file that names its symbols. */
import { isMemoryDebugged } from '@ambient/linux'
import ffi from 'node:ffi'
import { checkedOpenSsl } from './checked-openssl.ts'

/** What C hands to a callback. */
export type CallbackPointer = bigint | string | ArrayBuffer | NodeJS.ArrayBufferView | null

/** The connection, where to put the answer and its length, what the client offers and its length. */
export type AlpnArguments = [CallbackPointer, CallbackPointer, CallbackPointer, CallbackPointer, number]

/** Chooses one of the protocols a client offers; must not throw, since its caller is C. */
export type AlpnCallback = (...given: AlpnArguments) => number

/** `pointer` results are owned by whoever called, unless the OpenSSL name has a 0 in it (`get0`). */
export interface OpenSsl {
  OpenSSL_version(kind: number): bigint
  TLS_method(): bigint
  SSL_CTX_new(method: bigint): bigint
  SSL_CTX_free(context: bigint): void
  SSL_CTX_ctrl(context: bigint, command: number, number: bigint, pointer: bigint): bigint
  SSL_CTX_set_options(context: bigint, options: bigint): bigint
  SSL_CTX_set_verify(context: bigint, mode: number, callback: bigint): void
  SSL_CTX_set_ciphersuites(context: bigint, names: bigint): number
  SSL_CTX_set_num_tickets(context: bigint, count: bigint): number
  SSL_CTX_set_default_read_buffer_len(context: bigint, length: bigint): void
  SSL_CTX_set_alpn_protos(context: bigint, protocols: bigint, length: number): number
  SSL_CTX_set_alpn_select_cb(context: bigint, callback: bigint, argument: bigint): void
  SSL_CTX_use_certificate(context: bigint, certificate: bigint): number
  SSL_CTX_use_PrivateKey(context: bigint, key: bigint): number
  SSL_CTX_check_private_key(context: bigint): number
  SSL_CTX_get_cert_store(context: bigint): bigint
  X509_STORE_add_cert(store: bigint, certificate: bigint): number
  X509_free(certificate: bigint): void
  X509_verify_cert_error_string(code: bigint): bigint
  EVP_PKEY_free(key: bigint): void
  PEM_read_bio_X509(bio: bigint, out: bigint, callback: bigint, argument: bigint): bigint
  PEM_read_bio_PrivateKey(bio: bigint, out: bigint, callback: bigint, argument: bigint): bigint
  BIO_new_mem_buf(text: bigint, length: number): bigint
  BIO_new_socket(fd: number, close: number): bigint
  BIO_new_bio_pair(first: bigint, firstSize: bigint, second: bigint, secondSize: bigint): number
  BIO_nread0(bio: bigint, out: bigint): number
  BIO_nread(bio: bigint, out: bigint, length: number): number
  BIO_free(bio: bigint): number
  SSL_new(context: bigint): bigint
  SSL_free(connection: bigint): void
  SSL_set_bio(connection: bigint, read: bigint, write: bigint): void
  SSL_set_accept_state(connection: bigint): void
  SSL_set_connect_state(connection: bigint): void
  SSL_do_handshake(connection: bigint): number
  SSL_get_error(connection: bigint, result: number): number
  SSL_get_verify_result(connection: bigint): bigint
  SSL_read(connection: bigint, buffer: bigint, length: number): number
  SSL_write(connection: bigint, buffer: bigint, length: number): number
  SSL_shutdown(connection: bigint): number
  SSL_get1_peer_certificate(connection: bigint): bigint
  SSL_get0_alpn_selected(connection: bigint, out: bigint, outLength: bigint): void
  SSL_get0_group_name(connection: bigint): bigint
  SSL_get_current_cipher(connection: bigint): bigint
  SSL_CIPHER_get_name(cipher: bigint): bigint
  i2d_X509(certificate: bigint, out: bigint): number
  PEM_read_bio_X509_CRL(bio: bigint, out: bigint, callback: bigint, argument: bigint): bigint
  d2i_X509_CRL_bio(bio: bigint, out: bigint): bigint
  X509_CRL_free(list: bigint): void
  X509_CRL_get_issuer(list: bigint): bigint
  X509_CRL_get0_by_cert(list: bigint, out: bigint, certificate: bigint): number
  X509_CRL_verify(list: bigint, key: bigint): number
  X509_get_issuer_name(certificate: bigint): bigint
  X509_NAME_cmp(one: bigint, other: bigint): number
  X509_get0_pubkey(certificate: bigint): bigint
  SSL_get0_verified_chain(connection: bigint): bigint
  OPENSSL_sk_num(stack: bigint): number
  OPENSSL_sk_value(stack: bigint, index: number): bigint
  ERR_clear_error(): void
  ERR_get_error(): bigint
  ERR_reason_error_string(code: bigint): bigint
}

const definitions = {
  OpenSSL_version: { arguments: ['i32'], return: 'pointer' },
  TLS_method: { arguments: [], return: 'pointer' },
  SSL_CTX_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_CTX_free: { arguments: ['pointer'], return: 'void' },
  SSL_CTX_ctrl: { arguments: ['pointer', 'i32', 'i64', 'pointer'], return: 'i64' },
  SSL_CTX_set_options: { arguments: ['pointer', 'u64'], return: 'u64' },
  SSL_CTX_set_verify: { arguments: ['pointer', 'i32', 'pointer'], return: 'void' },
  SSL_CTX_set_ciphersuites: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_set_num_tickets: { arguments: ['pointer', 'u64'], return: 'i32' },
  SSL_CTX_set_default_read_buffer_len: { arguments: ['pointer', 'u64'], return: 'void' },
  SSL_CTX_set_alpn_protos: { arguments: ['pointer', 'pointer', 'u32'], return: 'i32' },
  SSL_CTX_set_alpn_select_cb: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_CTX_use_certificate: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_use_PrivateKey: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_check_private_key: { arguments: ['pointer'], return: 'i32' },
  SSL_CTX_get_cert_store: { arguments: ['pointer'], return: 'pointer' },
  X509_STORE_add_cert: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_free: { arguments: ['pointer'], return: 'void' },
  X509_verify_cert_error_string: { arguments: ['i64'], return: 'pointer' },
  EVP_PKEY_free: { arguments: ['pointer'], return: 'void' },
  PEM_read_bio_X509: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'pointer' },
  PEM_read_bio_PrivateKey: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'pointer' },
  BIO_new_mem_buf: { arguments: ['pointer', 'i32'], return: 'pointer' },
  BIO_new_socket: { arguments: ['i32', 'i32'], return: 'pointer' },
  BIO_new_bio_pair: { arguments: ['pointer', 'u64', 'pointer', 'u64'], return: 'i32' },
  BIO_nread0: { arguments: ['pointer', 'pointer'], return: 'i32' },
  BIO_nread: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  BIO_free: { arguments: ['pointer'], return: 'i32' },
  SSL_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_free: { arguments: ['pointer'], return: 'void' },
  SSL_set_bio: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_set_accept_state: { arguments: ['pointer'], return: 'void' },
  SSL_set_connect_state: { arguments: ['pointer'], return: 'void' },
  SSL_do_handshake: { arguments: ['pointer'], return: 'i32' },
  SSL_get_error: { arguments: ['pointer', 'i32'], return: 'i32' },
  SSL_get_verify_result: { arguments: ['pointer'], return: 'i64' },
  SSL_read: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_write: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_shutdown: { arguments: ['pointer'], return: 'i32' },
  SSL_get1_peer_certificate: { arguments: ['pointer'], return: 'pointer' },
  SSL_get0_alpn_selected: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_get0_group_name: { arguments: ['pointer'], return: 'pointer' },
  SSL_get_current_cipher: { arguments: ['pointer'], return: 'pointer' },
  SSL_CIPHER_get_name: { arguments: ['pointer'], return: 'pointer' },
  i2d_X509: { arguments: ['pointer', 'pointer'], return: 'i32' },
  PEM_read_bio_X509_CRL: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'pointer' },
  d2i_X509_CRL_bio: { arguments: ['pointer', 'pointer'], return: 'pointer' },
  X509_CRL_free: { arguments: ['pointer'], return: 'void' },
  X509_CRL_get_issuer: { arguments: ['pointer'], return: 'pointer' },
  X509_CRL_get0_by_cert: { arguments: ['pointer', 'pointer', 'pointer'], return: 'i32' },
  X509_CRL_verify: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_get_issuer_name: { arguments: ['pointer'], return: 'pointer' },
  X509_NAME_cmp: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_get0_pubkey: { arguments: ['pointer'], return: 'pointer' },
  SSL_get0_verified_chain: { arguments: ['pointer'], return: 'pointer' },
  OPENSSL_sk_num: { arguments: ['pointer'], return: 'i32' },
  OPENSSL_sk_value: { arguments: ['pointer', 'i32'], return: 'pointer' },
  ERR_clear_error: { arguments: [], return: 'void' },
  ERR_get_error: { arguments: [], return: 'u64' },
  ERR_reason_error_string: { arguments: ['u64'], return: 'pointer' },
} as const

// Lives for the process: a callback it registered must outlive every SSL_CTX.
const lib = new ffi.DynamicLibrary(null)

/** The names this package calls. */
export const openSslSymbols: readonly string[] = Object.keys(definitions)

const functions: OpenSsl = lib.getFunctions(presentOnly())

export const ssl: OpenSsl = isMemoryDebugged ? checkedOpenSsl(functions) : functions

/** Whether this node binary has `symbol`. */
export function hasSymbol(symbol: string): boolean {
  try {
    return lib.getSymbol(symbol) !== 0n
  } catch {
    return false
  }
}

/** Text at a C string pointer; empty for a null pointer. */
export function textAt(pointer: bigint): string {
  return pointer === 0n ? '' : (ffi.toString(pointer) ?? '')
}

/** Makes `callback` callable by C, for good. */
export function registerAlpnCallback(callback: AlpnCallback): bigint {
  return lib.registerCallback(
    { arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'u32', 'pointer'], return: 'i32' },
    callback,
  )
}

/** Stores an address at a foreign address. */
export function putPointer(at: bigint, pointer: bigint): void {
  ffi.setUint64(at, 0, pointer)
}

/** Stores one byte at a foreign address. */
export function putByte(at: bigint, byte: number): void {
  ffi.setUint8(at, 0, byte)
}

// With a symbol missing the import still succeeds, so that `checkOpenSsl` can name everything that is missing.
function presentOnly(): typeof definitions {
  const present = { ...definitions }
  for (const symbol of openSslSymbols) if (!hasSymbol(symbol)) Reflect.deleteProperty(present, symbol)
  return present
}
