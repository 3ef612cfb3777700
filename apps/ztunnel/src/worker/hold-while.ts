import { errnoName } from '@ambient/linux'
import type { Connection } from './connection.ts'
import { HeldSocket } from './held-socket.ts'
import type { Wait } from './identity-store.ts'
import type { WorkerShared } from './pod-context.ts'

export interface Hold {
  readonly shared: Pick<WorkerShared, 'loop' | 'contain'>
  /** What is waited for, in a sentence: "its certificate". */
  readonly what: string
  /** The peer has reset the socket, which is closed. */
  readonly onGone: (detail: string) => void
  /** What can be cut meanwhile; its end is the owner's to tell after `onGone`. */
  readonly connection?: Connection | undefined
}

/**
 * Keeps `fd` while something is waited for, then goes on with `use`. Nothing is read from it, yet its reset is noticed.
 *
 * @param wait Must not answer before it returns.
 */
export function holdWhile<T>(
  fd: number,
  { shared, what, onGone, connection }: Hold,
  wait: (answer: (value: T) => void) => Wait,
  use: (value: T) => void,
): void {
  const pending = wait((value) => {
    held.release()
    shared.contain(fd, () => use(value))
  })
  const held = new HeldSocket(fd, shared.loop, (errno) => {
    pending.cancel()
    onGone(`gave up while ${what} was waited for: ${errnoName(errno)}`)
  })
  connection?.carriedBy(
    () => ({ up: 0, down: 0 }),
    (outcome) => {
      pending.cancel()
      held.reset()
      connection.end(outcome)
    },
  )
}
