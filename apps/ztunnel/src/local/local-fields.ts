/** Parts that workloads, services and policies of a local mesh have in common. */
import type { Field } from '@ambient/kube'
import {
  canonicalIp,
  type GatewayAddress,
  isIpv6,
  type NetworkAddress,
  type PortMapping,
} from '@ambient/model'

/** The word for `field` in our own spelling, by what stands in the file. */
export function choiceOf<T extends string>(field: Field, words: Readonly<Record<string, T>>): T | undefined {
  const chosen = field.choice(Object.keys(words))
  return chosen === undefined ? undefined : words[chosen]
}

export function requiredChoice<T extends string>(field: Field, words: Readonly<Record<string, T>>): T {
  const chosen = choiceOf(field, words)
  if (chosen === undefined) throw field.invalid(`must be one of ${Object.keys(words).join(', ')}`)
  return chosen
}

/** What must be given, though it may be empty. */
export function requiredList(field: Field): readonly Field[] {
  if (field.isAbsent) throw field.invalid('must be set')
  return field.list()
}

export function readIp(field: Field): string {
  const ip = canonicalIp(field.requiredText())
  if (ip === undefined) throw field.invalid('must be an IP address')
  return ip
}

/** `network/ip`; the network may be empty. */
export function readNetworkAddress(field: Field): NetworkAddress {
  const [network, rest] = splitOnce(field)
  const ip = canonicalIp(rest)
  if (ip === undefined) throw field.invalid('must be NETWORK/IP')
  return { network, ip }
}

/** `network/ip/length`. */
export function readNetworkRange(field: Field): NetworkAddress {
  const [network, rest] = splitOnce(field)
  const { ip, length } = readPrefix(field, rest)
  return { network, ip, prefixLength: length }
}

/** `ip/length`; a lone address is all of itself. */
export function readPrefix(field: Field, text: string): { readonly ip: string; readonly length: number } {
  const [address = '', bits] = text.split('/', 2)
  const ip = canonicalIp(address)
  const whole = ip !== undefined && isIpv6(ip) ? 128 : 32
  const length = bits === undefined ? whole : Number(bits)
  if (ip === undefined || bits === '' || !Number.isInteger(length) || length < 0 || length > whole)
    throw field.invalid('must be an address range')
  return { ip, length }
}

/** `network/ip` or `namespace/hostname`. */
export function readGateway(field: Field): GatewayAddress {
  field.refuseOthers(['destination', 'hboneMtlsPort'])
  const destination = field.get('destination')
  const [first, rest] = splitOnce(destination)
  const ip = canonicalIp(rest)
  return {
    destination:
      ip === undefined
        ? { kind: 'hostname', namespace: first, hostname: rest }
        : { kind: 'address', network: first, ip },
    hboneMtlsPort: readPort(field.get('hboneMtlsPort')),
  }
}

/** `{ servicePort: targetPort }`; a target of 0 is a port by name. */
export function readPorts(field: Field): readonly PortMapping[] {
  return Object.keys(field.record()).map((name) => {
    const servicePort = Number(name)
    if (!isPort(servicePort)) throw field.invalid(`has a key that is no port, "${name}"`)
    const targetPort = field.get(name).integer() ?? 0
    if (targetPort !== 0 && !isPort(targetPort)) throw field.get(name).invalid('must be a port')
    return { servicePort, targetPort, appProtocol: 'unknown' }
  })
}

export function readPort(field: Field): number {
  const port = field.integer()
  if (port === undefined || !isPort(port)) throw field.invalid('must be a port')
  return port
}

export function readCount(field: Field): number | undefined {
  const count = field.integer()
  if (count !== undefined && count < 0) throw field.invalid('must not be negative')
  return count
}

function isPort(number: number): boolean {
  return Number.isInteger(number) && number > 0 && number <= 65_535
}

function splitOnce(field: Field): readonly [string, string] {
  const text = field.requiredText()
  const at = text.indexOf('/')
  if (at < 0) throw field.invalid('must have a "/"')
  return [text.slice(0, at), text.slice(at + 1)]
}
