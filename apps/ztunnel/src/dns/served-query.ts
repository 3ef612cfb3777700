import {
  decodeHeader,
  decodeMessage,
  DnsError,
  type DnsMessage,
  type DnsQuestion,
  responseCodes,
} from '@ambient/dns'
import type { Contained } from '@ambient/event-loop'
import type { Workload } from '@ambient/model'
import type { ReasonCode } from '@ambient/telemetry'
import { type AnsweredQuery, answerQuery, answerRoom, refuseQuery, truncatedAnswer } from './answer-query.ts'
import { checkQuery, type DnsRefusal, invalidQuery } from './check-query.ts'
import type { DnsSubject } from './dns-report.ts'
import type { DnsRequest } from './dns-request.ts'
import type { DnsThread } from './dns-thread.ts'
import type { ExchangeEnd } from './exchange.ts'
import type { ForwardRequest } from './forward-query.ts'
import type { DnsVerdict } from './resolve-question.ts'

/** What serving a query may know and do of the pod that sent it. */
export interface DnsPod {
  readonly thread: DnsThread
  /** The pod as the control plane describes it; `undefined` while it does not. */
  readonly local: () => Workload | undefined
  /** Waits for that; `undefined` when it has taken too long. Nothing comes once the pod is gone. */
  readonly withLocal: (use: (workload: Workload | undefined) => void) => void
  readonly resolve: (question: DnsQuestion, workload: Workload) => DnsVerdict
  /** Told once, unless the pod is gone. */
  readonly forward: (request: ForwardRequest, onEnd: (end: ExchangeEnd) => void) => void
  /** Lets one more query wait, if there is room; `release` is for when it waits no longer. */
  readonly admit: () => boolean
  readonly release: () => void
}

/** Takes one message from its bytes to its answer, which is given once. */
export function serveQuery(request: DnsRequest, pod: DnsPod): void {
  const read = readQuery(request.bytes)
  if (read === undefined) return request.answer(undefined)
  const served = new ServedQuery(request, read.query, pod)
  pod.thread.loop.contain(served, () => {
    const checked = read.isWhole ? checkQuery(read.query) : invalidQuery('it cannot be read')
    if (checked.kind === 'refuse') served.refuse(checked)
    else served.ask(checked.question)
  })
}

/** One query on its way. An exception ends it with SERVFAIL, and no other. */
class ServedQuery implements Contained {
  readonly #request: DnsRequest
  readonly #query: AnsweredQuery
  readonly #pod: DnsPod
  #subject: DnsSubject
  #isAnswered = false

  constructor(request: DnsRequest, query: AnsweredQuery, pod: DnsPod) {
    this.#request = request
    this.#query = query
    this.#pod = pod
    this.#subject = { question: undefined, transport: request.transport, workload: undefined }
  }

  ask(question: DnsQuestion): void {
    this.#subject = { ...this.#subject, question }
    const local = this.#pod.local()
    if (local !== undefined) return this.#askAs(local, question)
    if (!this.#pod.admit()) return this.#fail('LIMIT_REACHED', 'too many queries wait')
    this.#pod.withLocal((workload) => {
      this.#pod.release()
      this.#pod.thread.loop.contain(this, () => {
        if (workload !== undefined) return this.#askAs(workload, question)
        this.#pod.thread.report.requested(this.#subject)
        this.#fail('SOURCE_UNKNOWN', 'the control plane has not described this pod')
      })
    })
  }

  refuse({ responseCode, reason, detail }: DnsRefusal): void {
    this.#answer(refuseQuery(this.#query, responseCode), {
      result: `refused (${detail})`,
      answerCount: 0,
      reason,
    })
  }

  onFault(): void {
    this.#fail('WORKER_FAULT', 'an error of our own')
  }

  #askAs(workload: Workload, question: DnsQuestion): void {
    this.#subject = { ...this.#subject, workload }
    this.#pod.thread.report.requested(this.#subject)
    const verdict = this.#pod.resolve(question, workload)
    if (verdict.kind === 'forward') return this.#forward(question)
    const answerCount = verdict.addresses.length
    this.#answer(answerQuery(this.#query, verdict, this.#room), {
      result: answerCount === 0 ? 'no records' : 'success',
      answerCount,
    })
  }

  #forward(question: DnsQuestion): void {
    const { report, loop } = this.#pod.thread
    if (!this.#pod.admit()) return this.#fail('LIMIT_REACHED', 'too many queries wait')
    const startMs = loop.nowMs
    report.forwarded(this.#subject)
    const wantsWhole = this.#request.transport === 'tcp'
    this.#pod.forward({ query: this.#request.bytes, question, wantsWhole }, (end) => {
      this.#pod.release()
      loop.contain(this, () => this.#forwarded(end, loop.nowMs - startMs))
    })
  }

  #forwarded(end: ExchangeEnd, durationMs: number): void {
    this.#pod.thread.report.forwardEnded(this.#subject, durationMs, hasFailed(end))
    if (end.kind === 'failed') return this.#fail('DNS_UPSTREAM_FAILED', `forwarding failed (${end.detail})`)
    const { message, head } = end
    const relayed = message.length <= this.#room ? message : truncatedAnswer(this.#query, head.responseCode)
    this.#answer(relayed, { result: 'forwarded', answerCount: head.answerCount })
  }

  #fail(reason: ReasonCode, result: string): void {
    this.#answer(refuseQuery(this.#query, responseCodes.serverFailure), { result, answerCount: 0, reason })
  }

  get #room(): number {
    return answerRoom(this.#query, this.#request.transport)
  }

  #answer(
    message: Uint8Array,
    outcome: { readonly result: string; readonly answerCount: number; readonly reason?: ReasonCode },
  ): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    this.#pod.thread.report.ended(this.#subject, outcome)
    this.#request.answer(message)
  }
}

/** @returns `undefined` for what has not even a header to answer to. */
function readQuery(
  bytes: Uint8Array,
):
  | { readonly isWhole: true; readonly query: DnsMessage }
  | { readonly isWhole: false; readonly query: AnsweredQuery }
  | undefined {
  try {
    return { isWhole: true, query: decodeMessage(bytes) }
  } catch (cause) {
    if (!(cause instanceof DnsError)) throw cause
  }
  try {
    return { isWhole: false, query: decodeHeader(bytes) }
  } catch (cause) {
    if (cause instanceof DnsError) return undefined
    throw cause
  }
}

/** Nobody could say: no answer, or one that says so. That a name does not exist is an answer. */
function hasFailed(end: ExchangeEnd): boolean {
  if (end.kind === 'failed') return true
  const { responseCode } = end.head
  return responseCode === responseCodes.serverFailure || responseCode === responseCodes.refused
}
