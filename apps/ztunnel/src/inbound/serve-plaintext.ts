import { originalDestination, setKeepAlive, setNoDelay, type SocketAddress } from '@ambient/linux'
import type { Workload } from '@ambient/model'
import { joinRelay } from '../worker/join-relay.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { podIdentity } from '../worker/pod-identity.ts'
import { withLocal } from '../worker/with-local.ts'
import { authorizePlaintext } from './authorize-inbound.ts'
import { denialOf } from './denial.ts'
import { inboundFacts } from './inbound-facts.ts'

/** Takes one connection that came in the clear: no identity, so only policy that needs none can let it in. Owns `fd`. */
export function servePlaintext(fd: number, peer: SocketAddress, pod: PodContext): void {
  setNoDelay(fd)
  setKeepAlive(fd)
  const destination = originalDestination(fd)
  withLocal(fd, pod, { direction: 'inbound', src: peer, dst: destination }, (local) =>
    admit(fd, { pod, local, peer, destination }),
  )
}

interface Arrival {
  readonly pod: PodContext
  readonly local: Workload
  readonly peer: SocketAddress
  readonly destination: SocketAddress
}

function admit(fd: number, { pod, local, peer, destination }: Arrival): void {
  const { snapshot, settings } = pod.shared
  const ask = () =>
    authorizePlaintext(snapshot, snapshot.localWorkload(pod.info) ?? local, { peerIp: peer.ip, destination })
  const verdict = ask()
  if (verdict.kind === 'reject') {
    return pod.refuse(fd, {
      direction: 'inbound',
      src: peer,
      dst: destination,
      reason: verdict.reason,
      detail: verdict.detail,
    })
  }
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
    decision: verdict.decision,
  })
  const connection = pod.track(facts, () => {
    const again = ask()
    return again.kind === 'reject' ? { kind: 'denied', detail: again.detail } : denialOf(again.decision)
  })
  const denial = denialOf(verdict.decision)
  // An app that calls itself needs no foreign source, and binding to its own address would clash with it.
  const sourceIp = peer.ip === destination.ip ? undefined : peer.ip
  joinRelay(fd, {
    pod,
    connection,
    to: destination,
    sourceIp,
    denied: denial.kind === 'denied' ? denial : undefined,
  })
}
