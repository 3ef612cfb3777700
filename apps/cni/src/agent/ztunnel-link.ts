import { MessageChannel, Worker } from 'node:worker_threads'
import { MailboxSender } from '@ambient/event-loop'
import { duplicateDescriptor, eventfd, type NetworkNamespace } from '@ambient/linux'
import type { ZdsPodInfo, ZdsResult } from '@ambient/zds'
import { CniError } from '../cni-error.ts'
import type { ZdsOrder, ZdsReport, ZdsStart } from './zds-messages.ts'

/** The agent's word to ztunnel: which pods are the mesh's. */
export interface Ztunnels {
  /** Resolves once the newest ztunnel listens in the pod. @throws {CniError} `ZDS_…` saying why it does not */
  add(uid: string, info: ZdsPodInfo, netns: NetworkNamespace): Promise<void>
  /** Resolves once every ztunnel has let go of the pod; with none connected, at once. @throws {CniError} `ZDS_…` */
  remove(uid: string): Promise<void>
  readonly connected: number
}

/** A pod that is told to each ztunnel that connects; without a netns, only that it still exists. */
export interface HeldPod {
  readonly uid: string
  readonly info: ZdsPodInfo
  readonly netns: NetworkNamespace | undefined
}

export interface ZtunnelLinkOptions {
  readonly socketPath: string
  readonly entry: URL
  readonly held: readonly HeldPod[]
  readonly onConnections: (count: number, lost: string | undefined) => void
  /** What became of each request to ztunnels. */
  readonly onResult: (request: 'add' | 'remove', result: ZdsResult) => void
  readonly onRefused: (uid: string, error: string) => void
  /** The thread has failed: there is nothing to go on with. */
  readonly onLost: (cause: unknown) => void
}

/** The main thread's end of the ZDS thread. Every descriptor it passes is a duplicate, owned by the other side from then on. */
export class ZtunnelLink implements Ztunnels, AsyncDisposable {
  readonly #thread: Worker
  readonly #onResult: ZtunnelLinkOptions['onResult']
  readonly #orders: MailboxSender<ZdsOrder>
  readonly #waiting = new Map<number, (result: ZdsResult) => void>()
  #numbers = 0
  #connected = 0
  readonly #listening = Promise.withResolvers<void>()

  private constructor(options: ZtunnelLinkOptions) {
    this.#onResult = options.onResult
    const wakeFd = eventfd()
    const { port1, port2 } = new MessageChannel()
    const held = options.held.map(({ uid, info, netns }) => ({
      uid,
      info,
      netns: netns === undefined ? undefined : duplicateDescriptor(netns.fd),
    }))
    const start: ZdsStart = { socketPath: options.socketPath, wakeFd, orders: port2, held }
    this.#thread = new Worker(options.entry, {
      workerData: start,
      transferList: [port2],
      name: 'zds',
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    })
    this.#orders = new MailboxSender<ZdsOrder>(port1, wakeFd)
    this.#thread.on('message', (report: ZdsReport) => this.#take(report, options))
    this.#thread.on('error', (cause) => {
      this.#listening.reject(cause)
      options.onLost(cause)
    })
  }

  /** @throws whatever the socket cannot be made for */
  static async open(options: ZtunnelLinkOptions): Promise<ZtunnelLink> {
    const link = new ZtunnelLink(options)
    await link.#listening.promise
    return link
  }

  get connected(): number {
    return this.#connected
  }

  async add(uid: string, info: ZdsPodInfo, netns: NetworkNamespace): Promise<void> {
    refuse(
      await this.#ask({
        kind: 'add',
        number: ++this.#numbers,
        uid,
        info,
        netns: duplicateDescriptor(netns.fd),
      }),
    )
  }

  async remove(uid: string): Promise<void> {
    const result = await this.#ask({ kind: 'remove', number: ++this.#numbers, uid })
    if (result.kind !== 'no-connection') refuse(result)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#thread.once('exit', () => resolve()))
    this.#orders.post({ kind: 'end' })
    await ended
    this.#orders[Symbol.dispose]()
    for (const answer of this.#waiting.values()) answer({ kind: 'failed', reason: 'the agent ends' })
  }

  async #ask(order: Exclude<ZdsOrder, { readonly kind: 'end' }>): Promise<ZdsResult> {
    const { promise, resolve } = Promise.withResolvers<ZdsResult>()
    this.#waiting.set(order.number, resolve)
    this.#orders.post(order)
    const result = await promise
    this.#onResult(order.kind, result)
    return result
  }

  #take(report: ZdsReport, options: ZtunnelLinkOptions): void {
    switch (report.kind) {
      case 'listening':
        return this.#listening.resolve()
      case 'result':
        this.#waiting.get(report.number)?.(report.result)
        this.#waiting.delete(report.number)
        return
      case 'connections':
        this.#connected = report.count
        return options.onConnections(report.count, report.lost)
      case 'refused':
        return options.onRefused(report.uid, report.error)
    }
  }
}

function refuse(result: ZdsResult): void {
  switch (result.kind) {
    case 'acked':
      return
    case 'refused':
      throw new CniError('ZDS_REFUSED', `Ztunnel refused the pod: ${result.error}`)
    case 'no-connection':
      throw new CniError('ZDS_NOT_CONNECTED', 'No ztunnel is connected to the agent')
    case 'failed':
      throw new CniError('ZDS_TIMEOUT', `Ztunnel did not answer: ${result.reason}`)
  }
}
