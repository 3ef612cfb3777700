/** The `forwarded` and `x-forwarded-network` fields of a CONNECT. */
import { formatHostPort } from '@ambient/model'
import { fieldValues, type HeaderField } from './header-field.ts'

export const FORWARDED_NETWORK = 'x-forwarded-network'

export interface Forwarded {
  /** Who the tunnel is for, as `ip:port`. */
  readonly client?: string
  /** The service the client dialled. Believe it only if it is one of the workload's own. */
  readonly host?: string
}

// oxlint-disable-next-line no-control-regex -- ASCII is the point
const ASCII = /^[\x00-\x7f]*$/

/** @param host The service that the client dialled, if it was one. */
export function buildForwarded(
  client: { readonly ip: string; readonly port: number },
  host?: string,
): string {
  const forPart = `for="${formatHostPort(client.ip, client.port)}"`
  return host === undefined ? forPart : `${forPart};host=${host}`
}

/** The first `for` and the first `host`; nothing when the text is not ASCII. */
export function parseForwarded(text: string): Forwarded {
  if (!ASCII.test(text)) return {}
  const client = valueOf(text, 'for=')
  const host = valueOf(text, 'host=')
  return { ...(client === undefined ? {} : { client }), ...(host === undefined ? {} : { host }) }
}

/** Whether the request came through the gateway of another network: its source cannot be looked up by IP here. */
export function crossedNetworks(fields: readonly HeaderField[], ourNetwork: string): boolean {
  const network = fieldValues(fields, FORWARDED_NETWORK)[0]
  return network !== undefined && network.toLowerCase() !== ourNetwork.toLowerCase()
}

function valueOf(text: string, prefix: string): string | undefined {
  const part = text
    .split(';')
    .map((each) => each.trim())
    .find((each) => each.startsWith(prefix))
  const value = part?.slice(prefix.length).replaceAll('"', '')
  return value === '' ? undefined : value
}
