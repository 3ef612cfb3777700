import { takeWake } from '@ambient/linux'
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { LEVEL_READ } from './epoll.ts'
import type { EventLoop, Source, Task } from './event-loop.ts'

/** Messages taken before other sources get their turn. */
const MESSAGES_PER_TURN = 256

/**
 * Receives messages in a thread that never returns to Node's own loop, where a port's 'message' event never fires.
 * The sender wakes us through an eventfd. An exception while handling one message is contained to that message.
 */
export class Mailbox<In> implements Source, Task {
  readonly #loop: EventLoop
  readonly #port: MessagePort
  readonly #wakeFd: number
  readonly #onMessage: (message: In) => void
  #isOpen = true

  /** `wakeFd` stays the sender's, who closes it after this thread has ended. */
  constructor(loop: EventLoop, port: MessagePort, wakeFd: number, onMessage: (message: In) => void) {
    this.#loop = loop
    this.#port = port
    this.#wakeFd = wakeFd
    this.#onMessage = onMessage
    loop.add(wakeFd, LEVEL_READ, this)
    // What was posted before we listened was announced before, too; the counter of the eventfd has kept it.
  }

  onEvents(): void {
    takeWake(this.#wakeFd)
    this.run()
  }

  run(): void {
    for (let taken = 0; this.#isOpen; taken++) {
      if (taken === MESSAGES_PER_TURN) {
        this.#loop.again(this)
        return
      }
      const received: { readonly message: In } | undefined = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      this.#loop.contain(undefined, () => this.#onMessage(received.message))
    }
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#loop.remove(this.#wakeFd)
    this.#port.close()
  }
}
