import { MessageChannel, Worker } from 'node:worker_threads'
import { MailboxSender } from '@ambient/event-loop'
import { eventfd } from '@ambient/linux'
import type { ZdsCommand, ZdsStart, ZdsThreadReport } from '../pods/zds-messages.ts'

export interface ZdsLinkOptions {
  readonly socketPath: string
  readonly handoverPath: string
  readonly entry: URL
  readonly onReport: (report: ZdsThreadReport) => void
  readonly onLost: (cause: unknown) => void
}

/** The control thread's end of the ZDS thread. Nothing is said to anybody before `join`. */
export class ZdsLink implements AsyncDisposable {
  readonly #thread: Worker
  readonly #commands: MailboxSender<ZdsCommand>

  constructor({ socketPath, handoverPath, entry, onReport, onLost }: ZdsLinkOptions) {
    const wakeFd = eventfd()
    const { port1, port2 } = new MessageChannel()
    const start: ZdsStart = { socketPath, handoverPath, wakeFd, commands: port2 }
    this.#thread = new Worker(entry, {
      workerData: start,
      transferList: [port2],
      name: 'zds',
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    })
    this.#thread.on('message', onReport)
    this.#thread.on('error', onLost)
    this.#commands = new MailboxSender<ZdsCommand>(port1, wakeFd)
  }

  join(): void {
    this.post({ kind: 'join' })
  }

  post(command: ZdsCommand): void {
    this.#commands.post(command)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.terminate()
    this.#commands[Symbol.dispose]()
  }
}
