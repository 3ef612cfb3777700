import type { Logger } from '@ambient/telemetry'
import type { HandoverRequest, HandoverResult } from '@ambient/zds'
import type { HandoverCommand, HandoverReport } from '../handover/handover-messages.ts'
import type { PodSocket } from '../worker/pod-socket.ts'
import type { PodInfo } from '../worker/messages.ts'
import type { NewPod } from './worker-pool.ts'

/** What a hand-over does to the byte threads. */
export interface HandoverWorkers {
  readonly addPod: (pod: NewPod) => Promise<string | undefined>
  readonly shareSockets: (uid: string) => Promise<readonly PodSocket[]>
  readonly parkPod: (uid: string) => Promise<void>
  readonly broadcast: (command: { readonly kind: 'resume-pods' }) => void
}

export interface HandoverDeps {
  readonly workers: HandoverWorkers
  readonly logger: Logger
  readonly post: (command: HandoverCommand) => void
  /** Whether the pod's certificate is here, or has come after a short wait. */
  readonly hasCertificate: (info: PodInfo) => Promise<boolean>
  readonly onLimit: (name: 'handoverSuccessors' | 'handoverCertificateMs') => void
}

type Predecessor = 'there' | 'finishing' | 'none'

/**
 * Takes pods over from the ztunnel before us, one by one, and gives them to the one after us. Whoever dies in between
 * leaves the other with everything: the sockets are both's until the end.
 */
export class Handover {
  readonly #deps: HandoverDeps
  readonly #waiting = new Map<number, (result: HandoverResult) => void>()
  #predecessor: Predecessor = 'none'
  #numbers = 0
  #taken = 0
  #given = 0

  constructor(deps: HandoverDeps) {
    this.#deps = deps
  }

  onReport(report: HandoverReport): void {
    const { logger, post, onLimit } = this.#deps
    switch (report.kind) {
      case 'predecessor':
        this.#predecessor = report.isThere ? 'there' : 'none'
        if (report.isThere) return logger.info('takes over from the ztunnel that serves here')
        return post({ kind: 'listen' })
      case 'predecessor-lost':
        return this.#predecessorLost(report.reason)
      case 'result':
        this.#waiting.get(report.number)?.(report.result)
        this.#waiting.delete(report.number)
        return
      case 'successor-asks':
        return this.#serve(report)
      case 'successor-lost':
        return this.#successorLost(report)
      case 'successor-turned-away':
        onLimit('handoverSuccessors')
        return logger.warn('a second successor was turned away', { limit: 'handoverSuccessors' })
      case 'cannot-listen':
        return logger.debug('no successor can come yet', { error: report.reason })
    }
  }

  /**
   * Starts a pod on every thread, with the sockets it has already if there is a predecessor. @returns why it failed.
   */
  async addPod(uid: string, info: PodInfo, netns: number): Promise<string | undefined> {
    const { workers, hasCertificate, onLimit } = this.#deps
    if (this.#predecessor === 'none') return workers.addPod({ uid, info, netns, inherited: [] })
    if (!(await hasCertificate(info))) {
      onLimit('handoverCertificateMs')
      return 'its certificate is not here yet, so the predecessor serves on'
    }
    const inherited = await this.#ask({ kind: 'take', uid })
    const error = await workers.addPod({ uid, info, netns, inherited })
    if (error !== undefined) return error
    if (inherited.length > 0) this.#taken++
    await this.#ask({ kind: 'taken', uid })
    return undefined
  }

  /** Every pod that the agent has named is served. */
  async finish(): Promise<void> {
    if (this.#predecessor !== 'there') return
    this.#predecessor = 'finishing'
    await this.#ask({ kind: 'finish' })
    this.#predecessor = 'none'
    this.#deps.logger.info('took over', { pods: this.#taken })
    this.#deps.post({ kind: 'listen' })
  }

  /** This process ends. */
  leave(): void {
    this.#deps.post({ kind: 'leave' })
  }

  #predecessorLost(reason: string): void {
    const { logger, post } = this.#deps
    const wasTaking = this.#predecessor !== 'none'
    this.#predecessor = 'none'
    logger.info('the ztunnel before us is gone', { error: reason })
    if (wasTaking) post({ kind: 'listen' })
  }

  #serve({ number, request }: Extract<HandoverReport, { kind: 'successor-asks' }>): void {
    const { logger, post } = this.#deps
    const reply = (result: HandoverResult): void => post({ kind: 'reply', number, result })
    this.#answer(request).then(
      (sockets) => reply({ kind: 'done', sockets }),
      (cause: unknown) => {
        logger.error('hand-over failed', { error: String(cause) })
        reply({ kind: 'failed', reason: String(cause) })
      },
    )
  }

  async #answer(request: HandoverRequest): Promise<readonly PodSocket[]> {
    const { workers, logger } = this.#deps
    switch (request.kind) {
      case 'take':
        return workers.shareSockets(request.uid)
      case 'taken':
        await workers.parkPod(request.uid)
        this.#given++
        return []
      case 'finish':
        logger.info('handed over; what is open goes on to its end', { pods: this.#given })
        return []
    }
  }

  #successorLost({ reason, isOurs }: Extract<HandoverReport, { kind: 'successor-lost' }>): void {
    const { logger, workers } = this.#deps
    if (!isOurs) return logger.info('the ztunnel after us is gone, and another one serves', { error: reason })
    this.#given = 0
    logger.warn('the ztunnel after us is gone: we serve again', { error: reason })
    workers.broadcast({ kind: 'resume-pods' })
  }

  /** @returns Nothing when the predecessor has failed us: then we bind sockets of our own. */
  async #ask(request: HandoverRequest): Promise<readonly PodSocket[]> {
    const number = ++this.#numbers
    const { promise, resolve } = Promise.withResolvers<HandoverResult>()
    this.#waiting.set(number, resolve)
    this.#deps.post({ kind: 'ask', number, request })
    const result = await promise
    if (result.kind === 'done') return result.sockets
    this.#deps.logger.warn('the predecessor does not hand over', { ask: request.kind, error: result.reason })
    return []
  }
}
