/** Debug mode only: which objects of OpenSSL are alive, and that none is freed while a call on it is under way. */
import {
  addressOf,
  checkCalls,
  endForMisuse,
  type ForeignCall,
  lend,
  NULL,
  numberOf,
  pointerAt,
  type Span,
  stackHere,
} from '@ambient/linux'

type Kind = 'SSL_CTX' | 'SSL' | 'BIO' | 'X509' | 'X509_CRL' | 'EVP_PKEY'

interface Live {
  readonly kind: Kind
  /** How many of our references there are. */
  references: number
  /** The object that frees it. */
  owner: bigint | undefined
}

/** Calls whose result is a new object, or one more reference to one. */
const MAKES: Readonly<Record<string, Kind>> = {
  SSL_CTX_new: 'SSL_CTX',
  SSL_new: 'SSL',
  BIO_new_mem_buf: 'BIO',
  BIO_new_socket: 'BIO',
  PEM_read_bio_X509: 'X509',
  SSL_get1_peer_certificate: 'X509',
  PEM_read_bio_PrivateKey: 'EVP_PKEY',
  PEM_read_bio_X509_CRL: 'X509_CRL',
  d2i_X509_CRL_bio: 'X509_CRL',
}
const FREES: ReadonlySet<string> = new Set([
  'SSL_CTX_free',
  'SSL_free',
  'BIO_free',
  'X509_free',
  'EVP_PKEY_free',
  'X509_CRL_free',
])
/** Calls in which OpenSSL may call us, or works on our memory. */
const RUNS: ReadonlySet<string> = new Set(['SSL_do_handshake', 'SSL_read', 'SSL_write', 'SSL_shutdown'])
/** What the arguments must be, those that OpenSSL only lent us left out. */
const TAKES: Readonly<Record<string, readonly (Kind | undefined)[]>> = {
  X509_free: ['X509'],
  EVP_PKEY_free: ['EVP_PKEY'],
  i2d_X509: ['X509'],
  d2i_X509_CRL_bio: ['BIO'],
  SSL_CTX_use_certificate: ['SSL_CTX', 'X509'],
  SSL_CTX_use_PrivateKey: ['SSL_CTX', 'EVP_PKEY'],
  X509_STORE_add_cert: [undefined, 'X509'],
  SSL_set_bio: ['SSL', 'BIO', 'BIO'],
}
/** By the beginning of the name, first match; for all others. */
const FIRST_TAKES: readonly (readonly [prefix: string, kind: Kind | undefined])[] = [
  ['SSL_CTX_new', undefined],
  ['SSL_CTX_', 'SSL_CTX'],
  ['SSL_CIPHER_', undefined],
  ['SSL_new', 'SSL_CTX'],
  ['SSL_', 'SSL'],
  ['BIO_new', undefined],
  ['BIO_', 'BIO'],
  ['PEM_read_bio_', 'BIO'],
  ['X509_CRL_', 'X509_CRL'],
]
const SPANS: Readonly<Record<string, (call: ForeignCall) => readonly Span[]>> = {
  SSL_read: (call) => [{ address: addressOf(call, 1), bytes: numberOf(call, 2), use: 'written' }],
  SSL_write: (call) => [{ address: addressOf(call, 1), bytes: numberOf(call, 2), use: 'read' }],
  SSL_CTX_set_alpn_protos: (call) => [{ address: addressOf(call, 1), bytes: numberOf(call, 2), use: 'read' }],
  SSL_CTX_set_ciphersuites: (call) => [{ address: addressOf(call, 1), bytes: 1, use: 'read' }],
  SSL_get0_alpn_selected: (call) => [pointerOut(call, 1), { ...pointerOut(call, 2), bytes: 4 }],
  BIO_new_mem_buf: (call) => [{ address: addressOf(call, 0), bytes: numberOf(call, 1), use: 'read' }],
  BIO_new_bio_pair: (call) => [pointerOut(call, 0), pointerOut(call, 2)],
  BIO_nread0: (call) => [pointerOut(call, 1)],
  BIO_nread: (call) => [pointerOut(call, 1)],
  X509_CRL_get0_by_cert: (call) => [pointerOut(call, 1)],
  i2d_X509: (call) => (addressOf(call, 1) === NULL ? [] : [pointerOut(call, 1)]),
}

/** What a BIO reads in place, for as long as it reads. */
const sources = new Map<bigint, Span>()
/** What is to be known of a call that has been made. */
const AFTER: Readonly<Record<string, (call: ForeignCall, result: unknown) => void>> = {
  BIO_new_bio_pair: (call, result) => {
    if (result === 1) for (const at of [0, 2]) made(pointerAt(addressOf(call, at)), 'BIO')
  },
  BIO_new_mem_buf: (call, result) => {
    const source: Span = { address: addressOf(call, 0), bytes: numberOf(call, 1), use: 'read' }
    if (typeof result === 'bigint') sources.set(result, source)
  },
  SSL_set_bio: (call) => {
    for (const at of [1, 2]) giveTo(addressOf(call, 0), addressOf(call, at))
  },
  BIO_nread0: (call, result) =>
    lend(addressOf(call, 0), pointerAt(addressOf(call, 1)), typeof result === 'number' ? result : 0),
  BIO_nread: (call) => lend(addressOf(call, 0), NULL, 0),
}
// Each thread has its own copy of the module, as it has its own objects.
const live = new Map<bigint, Live>()
/** Of the last ones. */
const freedAt = new Map<bigint, Error>()
const MAX_FREED = 1024
const underWay = new Set<bigint>()

export function checkedOpenSsl<T extends object>(functions: T): T {
  return checkCalls(functions, {
    spans: (call) => [...(SPANS[call.name]?.(call) ?? []), ...sourceOf(call)],
    before: (call) => {
      const subject = addressOf(call, 0)
      for (const [index, kind] of takenBy(call.name).entries())
        if (kind !== undefined) checkAlive(call, addressOf(call, index), kind)
      if (FREES.has(call.name)) beforeFree(call.name, subject)
      else if (RUNS.has(call.name)) underWay.add(subject)
    },
    after: (call, result) => {
      if (RUNS.has(call.name)) underWay.delete(addressOf(call, 0))
      noteMade(call, result)
    },
  })
}

function sourceOf(call: ForeignCall): readonly Span[] {
  const source = call.name === 'BIO_free' ? undefined : sources.get(addressOf(call, 0))
  return source === undefined ? [] : [source]
}

function takenBy(name: string): readonly (Kind | undefined)[] {
  const exact = TAKES[name]
  if (exact !== undefined) return exact
  return [FIRST_TAKES.find(([prefix]) => name.startsWith(prefix))?.[1]]
}

function checkAlive({ name }: ForeignCall, pointer: bigint, kind: Kind): void {
  const what = `${name} of ${kind} 0x${pointer.toString(16)}`
  const object = live.get(pointer)
  if (object === undefined) {
    const endedAt = freedAt.get(pointer)
    if (endedAt === undefined) endForMisuse('not a live object', what)
    endForMisuse(FREES.has(name) ? 'double free' : 'use after free', what, endedAt)
  }
  if (object.kind !== kind) endForMisuse('not a live object', `${what}, which is ${object.kind}`)
  if (underWay.has(pointer) && (FREES.has(name) || RUNS.has(name)))
    endForMisuse('freed in use', `${what}, inside a call on it`)
}

function beforeFree(name: string, pointer: bigint): void {
  const object = live.get(pointer)
  if (object?.owner !== undefined)
    endForMisuse('double free', `${name} of ${object.kind}, which belongs to a connection`)
  if (object !== undefined && --object.references > 0) return
  end(pointer)
  for (const [owned, { owner }] of live) if (owner === pointer) end(owned)
}

function end(pointer: bigint): void {
  live.delete(pointer)
  lend(pointer, NULL, 0)
  sources.delete(pointer)
  freedAt.set(pointer, stackHere())
  const [oldest] = freedAt.keys()
  if (freedAt.size > MAX_FREED && oldest !== undefined) freedAt.delete(oldest)
}

function noteMade(call: ForeignCall, result: unknown): void {
  const kind = MAKES[call.name]
  if (kind !== undefined && typeof result === 'bigint') made(result, kind)
  AFTER[call.name]?.(call, result)
}

function made(pointer: bigint, kind: Kind): void {
  if (pointer === NULL) return
  freedAt.delete(pointer)
  const known = live.get(pointer)
  if (known !== undefined && known.kind === kind) known.references++
  else live.set(pointer, { kind, references: 1, owner: undefined })
}

function giveTo(owner: bigint, pointer: bigint): void {
  const object = live.get(pointer)
  if (object !== undefined) object.owner = owner
}

function pointerOut(call: ForeignCall, index: number): Span {
  return { address: addressOf(call, index), bytes: 8, use: 'written' }
}
