import { originalDestination, setKeepAlive, setNoDelay, type SocketAddress } from '@ambient/linux'
import { joinRelay } from '../worker/join-relay.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { authorizePlaintext } from './authorize-inbound.ts'
import { denialOf } from './denial.ts'
import { plaintextFacts } from './inbound-facts.ts'

/** Takes one connection that came in the clear: no identity, so only policy that needs none can let it in. Owns `fd`. */
export function servePlaintext(fd: number, peer: SocketAddress, pod: PodContext): void {
  setNoDelay(fd)
  setKeepAlive(fd)
  const destination = originalDestination(fd)
  const { shared, info } = pod
  shared.waits.withWorkload(info, (local) =>
    shared.contain(fd, () => {
      const ends = { direction: 'inbound', src: peer, dst: destination } as const
      if (!pod.isOpen) return pod.refuse(fd, { ...ends, reason: 'DRAINED', detail: 'the pod left the mesh while its connection waited' })
      if (local === undefined) return pod.refuse(fd, { ...ends, reason: 'SOURCE_UNKNOWN', detail: `failed to fetch information about local workload: ${info.namespace}/${info.name}` })
      const ask = () => authorizePlaintext(shared.snapshot, shared.snapshot.localWorkload(info) ?? local, { peerIp: peer.ip, destination })
      const verdict = ask()
      if (verdict.kind === 'reject') return pod.refuse(fd, { ...ends, reason: verdict.reason, detail: verdict.detail })
      const facts = plaintextFacts(pod, { local, peer, destination, decision: verdict.decision })
      const connection = pod.track(facts, () => {
        const again = ask()
        return again.kind === 'reject' ? { kind: 'denied', detail: again.detail } : denialOf(again.decision)
      })
      const denial = denialOf(verdict.decision)
      if (denial.kind === 'denied') return joinRelay(fd, { pod, connection, to: destination, sourceIp: undefined, denied: denial })
      // An app that calls itself needs no foreign source, and binding to its own address would clash with it.
      joinRelay(fd, { pod, connection, to: destination, sourceIp: peer.ip === destination.ip ? undefined : peer.ip, denied: undefined })
    }),
  )
}
