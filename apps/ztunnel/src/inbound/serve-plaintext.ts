import { originalDestination, resetSocket, type SocketAddress } from '@ambient/linux'
import type { Workload } from '@ambient/model'
import { joinRelay } from '../worker/join-relay.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { podIdentity } from '../worker/pod-identity.ts'
import { SELF_CALL } from '../worker/self-call.ts'
import { withLocal } from '../worker/with-local.ts'
import { authorizeInbound } from './authorize-inbound.ts'
import { denialOf } from './denial.ts'
import { logDryRun } from './log-dry-run.ts'
import { inboundFacts } from './inbound-facts.ts'
import { setTcpOptions } from '../worker/set-tcp-options.ts'

/** Takes one connection that came in the clear: no identity, so only policy that needs none can let it in. Owns `fd`. */
export function servePlaintext(fd: number, peer: SocketAddress, pod: PodContext): void {
  setTcpOptions(fd, pod.shared.settings.tcp)
  const destination = originalDestination(fd)
  const ends = { direction: 'inbound', src: peer, dst: destination } as const
  if (pod.shared.illegalPorts.has(destination.port)) return pod.refuse(fd, { ...ends, ...SELF_CALL })
  withLocal(fd, pod, ends, (local) => admit(fd, { pod, local, peer, destination }))
}

interface Arrival {
  readonly pod: PodContext
  readonly local: Workload
  readonly peer: SocketAddress
  readonly destination: SocketAddress
}

function admit(fd: number, { pod, local, peer, destination }: Arrival): void {
  const { snapshot, settings } = pod.shared
  const attempt = {
    sourceIdentity: undefined,
    sourceIp: peer.ip,
    destinationIp: destination.ip,
    destinationPort: destination.port,
  }
  const ask = () => authorizeInbound(snapshot, snapshot.localWorkload(pod.info) ?? local, attempt)
  const decision = ask()
  logDryRun(pod, decision.dryRun, attempt)
  const facts = inboundFacts({
    snapshot,
    local,
    localId: podIdentity(pod.info, local),
    peer,
    peerId: undefined,
    source: snapshot.workloadByAddress(settings.network, peer.ip),
    baggage: undefined,
    dialled: destination,
    authority: undefined,
    forwarded: undefined,
    port: destination.port,
    decision,
  })
  const connection = pod.track(facts, () => denialOf(ask(), 'change'))
  const denial = denialOf(decision)
  if (denial.kind === 'denied') {
    resetSocket(fd)
    return connection.end({ ...denial, kind: 'failed' })
  }
  joinRelay(fd, {
    pod,
    connection,
    to: destination,
    // An app that calls itself needs no foreign source, and binding to its own address would clash with it.
    sourceIp: peer.ip === destination.ip ? undefined : peer.ip,
    onUnreachable: (back, error) => {
      resetSocket(back)
      connection.end({ ...error, kind: 'failed' })
    },
  })
}
