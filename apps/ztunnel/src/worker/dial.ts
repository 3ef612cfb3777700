import {
  bindSource,
  closeDescriptor,
  errnoName,
  formatAddress,
  type SocketAddress,
  startConnect,
  SyscallError,
  tcpSocket,
} from '@ambient/linux'
import type { PodContext } from './pod-context.ts'
import { setTcpOptions } from './set-tcp-options.ts'

export type Dialled =
  | { readonly kind: 'started'; readonly fd: number }
  /** `lacking`: it is we who could not, for want of descriptors or rights, and not the destination. */
  | { readonly kind: 'lacking' | 'failed'; readonly errno: number; readonly detail: string }

/**
 * Starts a connect from inside the pod's network namespace, marked as ours. The outcome comes as an event on the descriptor.
 *
 * @param sourceIp The source address the destination is to see; undefined leaves the choice to the kernel.
 */
export function dial(pod: PodContext, to: SocketAddress, sourceIp: string | undefined): Dialled {
  const { packetMark, originalSource, tcp } = pod.shared.settings
  const family = to.ip.includes(':') ? 'v6' : 'v4'
  let fd: number
  try {
    fd = pod.netns.enter(() => tcpSocket({ family, mark: packetMark }))
  } catch (cause) {
    return failure(cause)
  }
  setTcpOptions(fd, tcp)
  try {
    if (sourceIp !== undefined && originalSource !== 'never') bindSource(fd, sourceIp)
  } catch (cause) {
    if (originalSource === 'always' || !(cause instanceof SyscallError)) {
      closeDescriptor(fd)
      return failure(cause)
    }
  }
  const started = startConnect(fd, to)
  if (started.kind === 'started') return { kind: 'started', fd }
  closeDescriptor(fd)
  return {
    kind: 'failed',
    errno: started.errno,
    detail: `connect to ${formatAddress(to)}: ${errnoName(started.errno)}`,
  }
}

/** Out of descriptors and the like ends this connection only; anything that is not a system call's failure is a bug and goes on up. */
function failure(cause: unknown): Dialled {
  if (!(cause instanceof SyscallError)) throw cause
  return { kind: 'lacking', errno: cause.errno, detail: cause.message }
}
