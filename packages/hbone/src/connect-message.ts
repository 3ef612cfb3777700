/** What a CONNECT request and its answer must look like. Pure. */
import { parseAuthority, type Authority } from './authority.ts'
import type { HeaderField } from './header-field.ts'

export interface TunnelRequest {
  /** `:authority` as the peer wrote it, for the log. */
  readonly authority: string
  readonly destination: Authority
  /** Every field, the pseudo fields included, in order. */
  readonly fields: readonly HeaderField[]
}

/** A request that no owner needs to see: answered with `status` by the session itself. */
export interface RequestRefusal {
  readonly kind: 'refused'
  readonly status: number
  readonly because: 'method' | 'authority' | 'too-large'
  readonly reason: string
}

export type ParsedRequest =
  | { readonly kind: 'connect'; readonly request: TunnelRequest }
  | RequestRefusal
  /** Against RFC 9113, section 8.1.1: a stream error. */
  | { readonly kind: 'malformed' }

const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])
const PSEUDO_FIELDS: ReadonlySet<string> = new Set([':method', ':authority', ':scheme', ':path'])
// oxlint-disable-next-line no-control-regex -- what RFC 9113, section 8.2.1, forbids
const BAD_NAME = /[A-Z\x00-\x20\x7f-\xff]/
const BAD_VALUE = /[\r\n\0]|^[\t ]|[\t ]$/
/** Its fields were more than we keep, so that nothing can be said of them. */
export const TOO_LARGE: RequestRefusal = {
  kind: 'refused',
  status: 431,
  because: 'too-large',
  reason: 'request header fields too large',
}

const MALFORMED: ParsedRequest = { kind: 'malformed' }

export function parseRequest(fields: readonly HeaderField[]): ParsedRequest {
  const pseudo = readPseudoFields(fields)
  const method = pseudo?.get(':method')
  if (pseudo === undefined || method === undefined) return MALFORMED
  if (method !== 'CONNECT') {
    const isComplete = pseudo.has(':scheme') && (pseudo.get(':path') ?? '') !== ''
    return isComplete ? refused('method', `expected method CONNECT, got ${clipped(method)}`) : MALFORMED
  }
  if (pseudo.has(':scheme') || pseudo.has(':path')) return MALFORMED
  const authority = pseudo.get(':authority') ?? ''
  const destination = parseAuthority(authority)
  if (destination === undefined)
    return refused('authority', `no valid authority pseudo header: "${clipped(authority)}"`)
  return { kind: 'connect', request: { authority, destination, fields } }
}

/** The fields of a CONNECT, `extra` after the pseudo fields. */
export function connectFields(authority: string, extra: readonly HeaderField[] = []): HeaderField[] {
  return [{ name: ':method', value: 'CONNECT' }, { name: ':authority', value: authority }, ...extra]
}

/** @returns `undefined` when the answer does not begin with a proper `:status`. */
export function parseStatus(fields: readonly HeaderField[]): number | undefined {
  const first = fields[0]
  return first?.name === ':status' && /^[1-5]\d\d$/.test(first.value) ? Number(first.value) : undefined
}

/** @returns `undefined` when the fields are malformed. */
function readPseudoFields(fields: readonly HeaderField[]): Map<string, string> | undefined {
  const pseudo = new Map<string, string>()
  let sawRegular = false
  for (const { name, value } of fields) {
    if (name === '' || BAD_NAME.test(name) || BAD_VALUE.test(value)) return undefined
    if (name.startsWith(':')) {
      if (sawRegular || !PSEUDO_FIELDS.has(name) || pseudo.has(name)) return undefined
      pseudo.set(name, value)
      continue
    }
    sawRegular = true
    if (CONNECTION_FIELDS.has(name) || (name === 'te' && value !== 'trailers')) return undefined
  }
  return pseudo
}

function refused(because: RequestRefusal['because'], reason: string): ParsedRequest {
  return { kind: 'refused', status: 400, because, reason }
}

/** For the log: the peer chose its length. */
function clipped(text: string): string {
  return text.slice(0, 200)
}
