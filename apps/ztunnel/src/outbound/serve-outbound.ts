import { originalDestination, resetSocket, type SocketAddress } from '@ambient/linux'
import type { PodContext } from '../worker/pod-context.ts'
import { isSelfCall, SELF_CALL } from '../worker/self-call.ts'
import { withLocal } from '../worker/with-local.ts'
import { type AppSide, UpstreamConnect } from './upstream-connect.ts'
import { setTcpOptions } from '../worker/set-tcp-options.ts'

/** An app that knows of no proxy: a connection that cannot be made is a reset. */
const UNAWARE: AppSide = { onUp: () => {}, onDown: (fd) => resetSocket(fd) }

/** Takes one connection of the pod's app from its original destination to its last byte; owns `fd` from here on. */
export function serveOutbound(fd: number, peer: SocketAddress, pod: PodContext): void {
  setTcpOptions(fd, pod.shared.settings.tcp)
  const destination = originalDestination(fd)
  const ends = { direction: 'outbound', src: peer, dst: destination } as const
  if (isSelfCall(destination, pod.shared.illegalPorts)) return pod.refuse(fd, { ...ends, ...SELF_CALL })
  withLocal(fd, pod, ends, (source) =>
    new UpstreamConnect({ pod, peer, destination, source, app: UNAWARE }).start(fd),
  )
}
