import { setKeepAlive, setNoDelay, setUserTimeout } from '@ambient/linux'
import type { TcpSettings } from '../connection-config.ts'

/** What every TCP socket of ours has but those of HBONE servers, whose peers are asked by HTTP/2 pings. */
export function setTcpOptions(fd: number, { keepAlive, userTimeoutMs }: TcpSettings): void {
  setNoDelay(fd)
  if (keepAlive !== undefined) setKeepAlive(fd, keepAlive)
  if (userTimeoutMs !== undefined) setUserTimeout(fd, userTimeoutMs)
}
