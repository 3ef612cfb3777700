import { closeDescriptor, wake } from '@ambient/linux'
import type { MessagePort, Transferable } from 'node:worker_threads'

/** The sending end of a `Mailbox`: posts, then wakes the thread that sits in epoll. Owns the port and the eventfd. */
export class MailboxSender<Out> implements Disposable {
  readonly #port: MessagePort
  readonly #wakeFd: number
  #isOpen = true

  constructor(port: MessagePort, wakeFd: number) {
    this.#port = port
    this.#wakeFd = wakeFd
  }

  /** Nothing happens after `[Symbol.dispose]`: the number of the eventfd may be somebody else's by then. */
  post(message: Out, transfer: readonly Transferable[] = []): void {
    if (!this.#isOpen) return
    this.#port.postMessage(message, [...transfer])
    wake(this.#wakeFd)
  }

  /** Call it when the receiving thread has ended, which still has the eventfd in its epoll until then. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#port.close()
    closeDescriptor(this.#wakeFd)
  }
}
