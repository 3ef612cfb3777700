/** A question of our own, and what its answer says. */
import { decodeMessage, DnsError, type DnsQuestion, encodeMessage, queryMessage } from '@ambient/dns'
import type { HostAnswer } from '../worker/host-addresses.ts'

/** @throws {DnsError} when the name is none. */
export function encodeLookup(id: number, question: DnsQuestion): Uint8Array {
  return encodeMessage(queryMessage(id, question))
}

export function readLookup(hostname: string, message: Uint8Array | undefined): HostAnswer {
  if (message === undefined) return { kind: 'failed', detail: `${hostname} was not answered` }
  try {
    const { answers, responseCode } = decodeMessage(message)
    const addresses = answers.flatMap(({ data }) => (data.kind === 'address' ? [data.ip] : []))
    if (addresses.length > 0) return { kind: 'resolved', addresses }
    return { kind: 'failed', detail: `no address of ${hostname}: response code ${responseCode}` }
  } catch (cause) {
    if (!(cause instanceof DnsError)) throw cause
    return { kind: 'failed', detail: `the answer for ${hostname} cannot be read: ${cause.message}` }
  }
}
