import type { Field } from '@ambient/kube'
import { canonicalIp, isIpv6 } from '@ambient/model'
import type { IpPrefix } from '@ambient/policy'

/** An address, which is a range of one, or a range. @throws {KubeError} `OBJECT_INVALID` */
export function readIpPrefix(field: Field): IpPrefix {
  const found = parsePrefix(field.requiredText())
  if (found === undefined) throw field.invalid('is no IP address or range')
  return found
}

function parsePrefix(text: string): IpPrefix | undefined {
  const [address = '', lengthText, ...rest] = text.split('/')
  const ip = canonicalIp(address)
  if (ip === undefined || rest.length > 0) return undefined
  const bits = isIpv6(ip) ? 128 : 32
  if (lengthText === undefined) return { ip, length: bits }
  if (!/^\d{1,3}$/.test(lengthText)) return undefined
  // An IPv4 address written as IPv6 counts its range in 128 bits.
  const length = Number(lengthText) - (address.includes(':') && bits === 32 ? 96 : 0)
  return length < 0 || length > bits ? undefined : { ip, length }
}
