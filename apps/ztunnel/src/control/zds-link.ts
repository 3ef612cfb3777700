import { MessageChannel, Worker } from 'node:worker_threads'
import { MailboxSender } from '@ambient/event-loop'
import { eventfd } from '@ambient/linux'
import type { ZdsAnswer, ZdsReport, ZdsStart } from '../pods/zds-messages.ts'

export interface ZdsLinkOptions {
  readonly socketPath: string
  readonly entry: URL
  readonly onReport: (report: ZdsReport) => void
  readonly onLost: (cause: unknown) => void
}

/** The control thread's end of the ZDS thread. */
export class ZdsLink implements AsyncDisposable {
  readonly #thread: Worker
  readonly #answers: MailboxSender<ZdsAnswer>

  constructor({ socketPath, entry, onReport, onLost }: ZdsLinkOptions) {
    const wakeFd = eventfd()
    const { port1, port2 } = new MessageChannel()
    const start: ZdsStart = { socketPath, wakeFd, answers: port2 }
    this.#thread = new Worker(entry, {
      workerData: start,
      transferList: [port2],
      name: 'zds',
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    })
    this.#thread.on('message', onReport)
    this.#thread.on('error', onLost)
    this.#answers = new MailboxSender<ZdsAnswer>(port1, wakeFd)
  }

  answer(answer: ZdsAnswer): void {
    this.#answers.post(answer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.terminate()
    this.#answers[Symbol.dispose]()
  }
}
