import { canonicalIp, isIpv6 } from '@ambient/model'
import type { Field } from './field.ts'

/** An IP address with the number of its bits that count, when it stands for a range. */
export interface AddressRange {
  /** Canonical. */
  readonly ip: string
  /** Undefined for a single address. */
  readonly prefixLength: number | undefined
}

/** `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`. */
export function readAddressRange(field: Field): AddressRange {
  const [address = '', length, ...rest] = field.requiredText().split('/')
  const ip = canonicalIp(address)
  if (ip === undefined || rest.length > 0) throw field.invalid('is no IP address or range')
  if (length === undefined) return { ip, prefixLength: undefined }
  const bits = isIpv6(ip) ? 128 : 32
  const prefixLength = /^\d{1,3}$/.test(length) ? Number(length) : bits + 1
  if (prefixLength > bits) throw field.invalid('is no IP address or range')
  return { ip, prefixLength: prefixLength === bits ? undefined : prefixLength }
}

/** A host name without wildcards; one dot at its end is taken. */
export function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, '').split('.')
  return text.length <= 255 && labels.every(isLabel) && !/^\d+$/.test(labels.at(-1) ?? '')
}

/** A host name, or one whose first label is or begins with a star, but not the star alone. */
export function isWildcardHostName(text: string): boolean {
  if (!text.startsWith('*')) return isHostName(text)
  const [first = '', ...rest] = text.split('.')
  const isStar = first === '*' || isLabel(first.replace(/^\*-?/, ''))
  return rest.length > 0 && isStar && isHostName(rest.join('.'))
}

function isLabel(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/i.test(text)
}
