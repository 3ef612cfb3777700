import { type Lab, tcpStreams } from '@ambient/lab'
import type { Contestant } from './contestants.ts'
import { readServerHello, type ServerHello } from './server-hello.ts'

/** What everybody who encrypts must have agreed on, or prices of different things would stand side by side. */
const AGREED: ServerHello = { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', group: 'x25519' }
const TUNNEL_PORT = 15008

export interface Ends {
  readonly clientIp: string
  readonly serverIp: string
}

/**
 * Looks at the link while `carry` brings the first bytes over: one that does not carry them as it claims would be
 * measured all the same, and nobody would know.
 *
 * @throws {Error} saying which way they went, or what was agreed on instead
 */
export async function proveWay(
  lab: Lab,
  contestant: Contestant,
  ends: Ends,
  carry: () => Promise<void>,
): Promise<void> {
  const capture = await lab.capture()
  await carry()
  const packets = await capture.packets()
  await capture.stop()
  const between = packets.filter(
    ({ source, destination }) =>
      [source, destination].toSorted().join() === [ends.clientIp, ends.serverIp].toSorted().join(),
  )
  const tunnelled = between.filter(({ sourcePort, destinationPort }) =>
    [sourcePort, destinationPort].includes(TUNNEL_PORT),
  )
  const expected = contestant.carrier.kind === 'none' ? 0 : between.length
  if (between.length === 0 || tunnelled.length !== expected)
    throw new Error(
      `${tunnelled.length} of ${between.length} packets of ${contestant.name} went to port ${TUNNEL_PORT}`,
    )
  if (contestant.carrier.kind !== 'none') checkAgreed(contestant.name, tcpStreams(between), ends.serverIp)
}

function checkAgreed(name: string, streams: ReadonlyMap<string, Uint8Array>, serverIp: string): void {
  const hellos = [...streams]
    .filter(([flow]) => flow.startsWith(`${serverIp}:${TUNNEL_PORT} `))
    .flatMap(([, bytes]) => readServerHello(bytes) ?? [])
  const other = hellos.find((hello) => JSON.stringify(hello) !== JSON.stringify(AGREED))
  if (hellos.length === 0 || other !== undefined)
    throw new Error(`${name} agreed on ${JSON.stringify(other)}, not on ${JSON.stringify(AGREED)}`)
}
