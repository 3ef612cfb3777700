import { NULL, withCString } from '@ambient/linux'
import { useH2 } from './alpn.ts'
import { takeError } from './failure-reason.ts'
import { countContext } from './live-objects.ts'
import { ssl } from './openssl.ts'
import { readCertificates, readPrivateKey } from './pem.ts'
import { TlsError } from './tls-error.ts'

/** What a proxy proves itself with, and whom it believes. */
export interface TlsCredentials {
  /** Leaf first, then intermediates. */
  readonly certificateChainPem: string
  readonly privateKeyPem: string
  readonly rootsPem: string
}

export interface TlsOptions {
  /** In order of preference. */
  readonly cipherSuites?: string
  /** In order of preference. */
  readonly groups?: string
  /** How much OpenSSL reads ahead. */
  readonly readBufferBytes?: number
}

const DEFAULT_CIPHER_SUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384'
const DEFAULT_GROUPS = 'X25519MLKEM768:X25519:P-256:P-384'
const DEFAULT_READ_BUFFER_BYTES = 131072

// Macros of OpenSSL are not symbols: they are these numbers.
const CTRL = {
  mode: 33,
  readAhead: 41,
  sessionCacheMode: 44,
  chainCertificate: 89,
  groupsList: 92,
  minProtocol: 123,
  maxProtocol: 124,
} as const
const TLS_1_3 = 0x304n
/** SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER and SSL_MODE_RELEASE_BUFFERS. */
const MODE = 2n | 16n
const VERIFY_PEER_OR_FAIL = 3
/** The server's order of ciphers decides, or a peer's preference for AES-256 would. */
const CIPHER_SERVER_PREFERENCE = 1n << 22n
// Certificate compression costs more CPU than the bytes it saves on a hop within a cluster, and is on by default.
const NO_CERTIFICATE_COMPRESSION = (1n << 32n) | (1n << 33n)
const NO_TICKETS = 1n << 14n
const NO_COMPRESSION = 1n << 17n

/**
 * TLS 1.3 with ALPN h2 and certificates on both sides, for one SVID. Immutable: rotation means a new one. Connections
 * made from it keep what they need, so it may be freed while they live. The chain, its dates and the extended key
 * usage are checked by OpenSSL; whose name it is, is the caller's to check.
 */
export class TlsContext implements Disposable {
  readonly pointer: bigint
  #isFreed = false

  /** @throws {TlsError} `SVID_UNUSABLE` when the PEM texts do not go together, `TLS_SETUP_FAILED` for the options. */
  constructor(credentials: TlsCredentials, options: TlsOptions = {}) {
    this.pointer = ssl.SSL_CTX_new(ssl.TLS_method())
    if (this.pointer === NULL)
      throw new TlsError('TLS_SETUP_FAILED', `Cannot make a TLS context: ${takeError()}`)
    countContext(1)
    try {
      configure(this.pointer, options)
      load(this.pointer, credentials)
    } catch (cause) {
      this.free()
      throw cause
    }
  }

  free(): void {
    if (this.#isFreed) return
    this.#isFreed = true
    ssl.SSL_CTX_free(this.pointer)
    countContext(-1)
  }

  [Symbol.dispose](): void {
    this.free()
  }
}

function configure(context: bigint, options: TlsOptions): void {
  const cipherSuites = options.cipherSuites ?? DEFAULT_CIPHER_SUITES
  const groups = options.groups ?? DEFAULT_GROUPS
  ssl.SSL_CTX_ctrl(context, CTRL.minProtocol, TLS_1_3, NULL)
  ssl.SSL_CTX_ctrl(context, CTRL.maxProtocol, TLS_1_3, NULL)
  ssl.SSL_CTX_set_options(
    context,
    CIPHER_SERVER_PREFERENCE | NO_CERTIFICATE_COMPRESSION | NO_TICKETS | NO_COMPRESSION,
  )
  ssl.SSL_CTX_set_verify(context, VERIFY_PEER_OR_FAIL, NULL)
  setUp(
    withCString(cipherSuites, (names) => ssl.SSL_CTX_set_ciphersuites(context, names)) === 1,
    'set cipher suites',
  )
  setUp(
    withCString(groups, (names) => ssl.SSL_CTX_ctrl(context, CTRL.groupsList, 0n, names)) === 1n,
    'set groups',
  )
  setUp(ssl.SSL_CTX_set_num_tickets(context, 0n) === 1, 'switch tickets off')
  ssl.SSL_CTX_ctrl(context, CTRL.sessionCacheMode, 0n, NULL)
  ssl.SSL_CTX_ctrl(context, CTRL.mode, MODE, NULL)
  ssl.SSL_CTX_ctrl(context, CTRL.readAhead, 1n, NULL)
  ssl.SSL_CTX_set_default_read_buffer_len(
    context,
    BigInt(options.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES),
  )
  setUp(useH2(context), 'set ALPN')
}

function load(context: bigint, credentials: TlsCredentials): void {
  using chain = readCertificates(credentials.certificateChainPem)
  using roots = readCertificates(credentials.rootsPem)
  using key = readPrivateKey(credentials.privateKeyPem)
  const [leaf] = chain.pointers
  if (leaf === undefined) throw new TlsError('SVID_UNUSABLE', 'Cannot use SVID: no certificate in its chain')
  if (roots.pointers.length === 0)
    throw new TlsError('SVID_UNUSABLE', 'Cannot use SVID: no certificate in its trust bundle')
  usable(ssl.SSL_CTX_use_certificate(context, leaf) === 1, 'leaf certificate')
  for (const intermediate of chain.pointers.slice(1)) {
    usable(
      ssl.SSL_CTX_ctrl(context, CTRL.chainCertificate, 1n, intermediate) === 1n,
      'intermediate certificate',
    )
  }
  const store = ssl.SSL_CTX_get_cert_store(context)
  for (const root of roots.pointers) usable(ssl.X509_STORE_add_cert(store, root) === 1, 'root certificate')
  usable(ssl.SSL_CTX_use_PrivateKey(context, key.pointer) === 1, 'private key')
  usable(ssl.SSL_CTX_check_private_key(context) === 1, 'private key with this certificate')
}

function setUp(done: boolean, action: string): void {
  if (!done) throw new TlsError('TLS_SETUP_FAILED', `Cannot ${action}: ${takeError()}`)
}

function usable(done: boolean, part: string): void {
  if (!done) throw new TlsError('SVID_UNUSABLE', `Cannot use ${part}: ${takeError()}`)
}
