import type { SocketAddress } from '@ambient/linux'
import type { Refusal } from './pod-context.ts'

export const SELF_CALL: Pick<Refusal, 'reason' | 'detail'> = {
  reason: 'SELF_CALL',
  detail: 'attempted recursive call to ourselves',
}

/** Whether an app dials a listener of ours over loopback, which no rule redirects: it would go round in circles. */
export function isSelfCall({ ip, port }: SocketAddress, illegalPorts: ReadonlySet<number>): boolean {
  return (ip === '::1' || ip.startsWith('127.')) && illegalPorts.has(port)
}
