import { canonicalIp, formatHostPort } from '@ambient/model'

/** Where a tunnel is asked to end: what `:authority` of a CONNECT says. */
export type Authority =
  | { readonly kind: 'address'; readonly ip: string; readonly port: number }
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number }

const MAX_HOSTNAME = 253
const HOSTNAME = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i
/** A last label of digits is a mistyped IPv4 address, never a name. */
const NUMERIC_LABEL = /(^|\.)\d+$/
const PORT = /^[1-9]\d{0,4}$/
const MAX_PORT = 65535

/**
 * Reads `ip:port`, `[ipv6]:port` or `host:port`; the port must be there. Addresses come out canonical, names as they are.
 *
 * @returns `undefined` for anything else.
 */
export function parseAuthority(text: string): Authority | undefined {
  const colon = text.lastIndexOf(':')
  const port = parsePort(text.slice(colon + 1))
  if (colon < 1 || port === undefined) return undefined
  const host = text.slice(0, colon)
  if (host.startsWith('[')) return parseBracketed(host, port)
  if (host.includes(':')) return undefined
  const ip = canonicalIp(host)
  if (ip !== undefined) return { kind: 'address', ip, port }
  if (host.length > MAX_HOSTNAME || !HOSTNAME.test(host) || NUMERIC_LABEL.test(host)) return undefined
  return { kind: 'hostname', hostname: host, port }
}

/** The text a peer's `parseAuthority` turns back into `authority`. */
export function formatAuthority(authority: Authority): string {
  if (authority.kind === 'hostname') return `${authority.hostname}:${authority.port}`
  return formatHostPort(authority.ip, authority.port)
}

function parsePort(text: string): number | undefined {
  if (!PORT.test(text)) return undefined
  const port = Number(text)
  return port <= MAX_PORT ? port : undefined
}

function parseBracketed(host: string, port: number): Authority | undefined {
  if (!host.endsWith(']')) return undefined
  const inside = host.slice(1, -1)
  const ip = inside.includes(':') ? canonicalIp(inside) : undefined
  return ip === undefined ? undefined : { kind: 'address', ip, port }
}
