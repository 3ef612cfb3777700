import { acceptOn, closeDescriptor, listenOn, localAddress, startConnect, tcpSocket } from '@ambient/linux'
import { waitFor } from '@ambient/testkit'

/** Two connected TCP sockets of loopback; closing is idempotent. */
export interface SocketPair {
  readonly clientFd: number
  readonly serverFd: number
  /** Closes one end, or both. */
  close(fd?: number): void
}

export async function socketPair(): Promise<SocketPair> {
  const listening = listenOn({ ip: '127.0.0.1', port: 0 })
  const clientFd = tcpSocket()
  startConnect(clientFd, localAddress(listening))
  const serverFd = await waitFor('the connection', () => {
    const result = acceptOn(listening)
    return result.kind === 'accepted' && result.fd
  })
  closeDescriptor(listening)
  const open = new Set([clientFd, serverFd])
  const close = (fd?: number): void => {
    for (const each of [...open])
      if ((fd === undefined || each === fd) && open.delete(each)) closeDescriptor(each)
  }
  return { clientFd, serverFd, close }
}
