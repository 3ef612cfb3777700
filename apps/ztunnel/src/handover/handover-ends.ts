import type { EventLoop, Timer } from '@ambient/event-loop'
import { closeDescriptor, SyscallError } from '@ambient/linux'
import { HandoverClient, type HandoverResult, HandoverServer } from '@ambient/zds'
import type { HandoverCommand, HandoverReport } from './handover-messages.ts'

export interface HandoverEndsDeps {
  readonly loop: EventLoop
  readonly path: string
  readonly post: (report: HandoverReport) => void
  /** Whether a successor has everything: then the agent's next connection is not ours to make. */
  readonly onHandedOver: (isHandedOver: boolean) => void
}

const RETRY_MS = 1000

/** Both ends of a hand-over: to the ztunnel before us while it is there, and to the one after us when it comes. */
export class HandoverEnds {
  readonly #deps: HandoverEndsDeps
  readonly #client: HandoverClient | undefined
  readonly #replies = new Map<number, (result: HandoverResult) => void>()
  #server: HandoverServer | undefined
  #retry: Timer | undefined
  #numbers = 0
  #isLeaving = false

  constructor(deps: HandoverEndsDeps) {
    this.#deps = deps
    this.#client = HandoverClient.connect(deps.loop, {
      path: deps.path,
      onLost: (reason) => deps.post({ kind: 'predecessor-lost', reason }),
    })
    deps.post({ kind: 'predecessor', isThere: this.#client !== undefined })
  }

  handle(command: HandoverCommand): void {
    switch (command.kind) {
      case 'ask':
        return this.#ask(command)
      case 'reply':
        return this.#reply(command)
      case 'listen':
        return this.#listen()
      case 'leave':
        return this.close()
    }
  }

  /** The path is free before the predecessor hears of our end: it may listen there again. */
  close(): void {
    this.#isLeaving = true
    this.#retry?.cancel()
    this.#server?.[Symbol.dispose]()
    this.#server = undefined
    this.#client?.close()
  }

  #ask({ number, request }: Extract<HandoverCommand, { kind: 'ask' }>): void {
    const { post } = this.#deps
    const gone: HandoverResult = { kind: 'failed', reason: 'there is no predecessor' }
    if (this.#client === undefined) return post({ kind: 'result', number, result: gone })
    this.#client.request(request, (result) => post({ kind: 'result', number, result }))
  }

  #reply({ number, result }: Extract<HandoverCommand, { kind: 'reply' }>): void {
    const reply = this.#replies.get(number)
    this.#replies.delete(number)
    if (reply !== undefined) return reply(result)
    for (const { fd } of result.kind === 'done' ? result.sockets : []) closeDescriptor(fd)
  }

  /** Where another one listens, or nobody can yet, it is tried again: it may end before us. */
  #listen(): void {
    if (this.#isLeaving || this.#server !== undefined) return
    try {
      this.#server = this.#open()
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause
      this.#deps.post({ kind: 'cannot-listen', reason: cause.message })
      this.#retry = this.#deps.loop.after(RETRY_MS, () => this.#listen())
    }
  }

  /** @throws {SyscallError} */
  #open(): HandoverServer {
    const { loop, path, post, onHandedOver } = this.#deps
    return new HandoverServer(loop, {
      path,
      onRequest: (request, answer) => {
        const number = ++this.#numbers
        this.#replies.set(number, (result) => {
          answer(result)
          if (request.kind === 'finish' && result.kind === 'done') onHandedOver(true)
        })
        post({ kind: 'successor-asks', number, request })
      },
      onLost: (reason, hadFinished) => {
        this.#replies.clear()
        this.#successorLost(reason, hadFinished)
      },
      onTurnedAway: () => post({ kind: 'successor-turned-away' }),
    })
  }

  /** One that had finished was to listen for a successor of its own: if somebody answers there, that is who serves. */
  #successorLost(reason: string, hadFinished: boolean): void {
    const { post, onHandedOver } = this.#deps
    if (hadFinished) {
      this.#server = undefined
      try {
        this.#server = this.#open()
      } catch (cause) {
        if (!(cause instanceof SyscallError)) throw cause
        return post({ kind: 'successor-lost', reason: `${reason}; ${cause.message}`, isOurs: false })
      }
    }
    onHandedOver(false)
    post({ kind: 'successor-lost', reason, isOurs: true })
  }
}
