import type { SpiffeId } from '@ambient/spiffe'
import {
  type AccessEndpoint,
  type AccessError,
  type AccessRecord,
  accessLine,
  type LogLine,
  type ResponseFlag,
  reasons,
} from '@ambient/telemetry'
import type { LiveConnection } from './messages.ts'
import type { TrafficReport } from './traffic-report.ts'

/** One end of a connection as telemetry names it; what is unknown is left out. */
export interface EndFacts extends AccessEndpoint {
  readonly identity?: SpiffeId | undefined
}

export interface ConnectionFacts {
  readonly direction: 'inbound' | 'outbound'
  readonly protocol: 'HBONE' | 'DOUBLEHBONE' | 'TCP'
  readonly src: EndFacts
  readonly dst: AccessRecord['dst'] & EndFacts
  readonly originalDst: string
  readonly admittedBy: string | undefined
  /** Who the destination is, is only known once it has answered: the connection counts as opened by `opened()`. */
  readonly opensLater?: boolean
  /** Label values in the metric table's order, made for a response flag. */
  readonly labels: (flag: ResponseFlag) => readonly string[]
}

export interface ByteCounts {
  /** From downstream to upstream: Istio's `istio_tcp_received_bytes_total`. */
  readonly up: number
  /** From upstream to downstream: `istio_tcp_sent_bytes_total`. */
  readonly down: number
}

export interface ConnectionDeps {
  readonly report: TrafficReport
  readonly loop: { readonly nowMs: number }
  readonly onEnd: () => void
}

export type Outcome = { readonly kind: 'completed' } | ({ readonly kind: 'failed' } & AccessError)

const NOTHING: ByteCounts = { up: 0, down: 0 }

/**
 * A connection from the decision to its end, for telemetry and for cutting it: counted and logged exactly once.
 * The bytes themselves never pass here.
 */
export class Connection {
  #facts: ConnectionFacts
  readonly #deps: ConnectionDeps
  readonly #openedAtMs: number
  readonly #leaveFlush: () => void
  /** Of the series that opening and bytes are counted in; made once, for it is asked for with every report. */
  #labels: readonly string[]
  #counts: () => ByteCounts = () => NOTHING
  #accounted: ByteCounts = NOTHING
  /** Until something carries it there is nothing to cut but the connection itself. */
  #cut: (outcome: Outcome) => void = (outcome) => this.end(outcome)
  #isOpened = false
  #ended = false

  constructor(facts: ConnectionFacts, deps: ConnectionDeps) {
    this.#facts = facts
    this.#deps = deps
    this.#openedAtMs = deps.loop.nowMs
    this.#labels = facts.labels('-')
    this.#leaveFlush = deps.report.onFlush(() => this.#account())
    if (facts.opensLater !== true) this.#open()
  }

  get isEnded(): boolean {
    return this.#ended
  }

  /** Says where the bytes are counted and how to cut the connection; `cut` must lead to `end`. */
  carriedBy(counts: () => ByteCounts, cut: (outcome: Outcome) => void): void {
    this.#counts = counts
    this.#cut = cut
  }

  /** Upstream is up. @param facts What is known of it only now. */
  opened(facts?: ConnectionFacts): void {
    if (this.#isOpened || this.#ended) return
    if (facts !== undefined) this.#take(facts)
    this.#open()
  }

  /** It goes on to another upstream, since the one it was for could not be had. Counted as if it were another. */
  reroute(facts: ConnectionFacts, failure: AccessError): void {
    if (this.#ended) return
    this.#closeSeries(failure)
    this.#deps.report.log(this.#line('rerouted', { error: failure }))
    this.#take(facts)
    if (facts.opensLater !== true) this.#open()
  }

  cut(why: AccessError): void {
    if (!this.#ended) this.#cut({ ...why, kind: 'failed' })
  }

  end(outcome: Outcome): void {
    if (this.#ended) return
    this.#account()
    this.#ended = true
    this.#leaveFlush()
    this.#deps.onEnd()
    const error = outcome.kind === 'failed' ? outcome : undefined
    this.#closeSeries(error)
    const durationMs = Math.max(0, this.#deps.loop.nowMs - this.#openedAtMs)
    this.#deps.report.log(this.#line('complete', { durationMs, error }))
  }

  describe(nowMs: number): LiveConnection {
    const facts = this.#facts
    const { up, down } = this.#counts()
    return {
      direction: facts.direction,
      src: facts.src.addr,
      originalDst: facts.originalDst,
      actualDst: facts.dst.addr,
      protocol: facts.protocol,
      sourceIdentity: facts.src.identity,
      destinationIdentity: facts.dst.identity,
      admittedBy: facts.admittedBy,
      ageMs: Math.round(nowMs - this.#openedAtMs),
      sentBytes: down,
      receivedBytes: up,
    }
  }

  #take(facts: ConnectionFacts): void {
    this.#facts = facts
    this.#labels = facts.labels('-')
  }

  #open(): void {
    const { report } = this.#deps
    this.#isOpened = true
    report.series(this.#labels).opened++
    report.log(this.#line('opened', {}))
  }

  #closeSeries(error: AccessError | undefined): void {
    const { report } = this.#deps
    if (!this.#isOpened) this.#open()
    this.#isOpened = false
    const flag = error === undefined ? '-' : reasons[error.reason].flag
    const series = report.series(flag === '-' ? this.#labels : this.#facts.labels(flag))
    series.closed++
    if (flag !== '-') series.failed++
    report.touched()
  }

  #account(): void {
    const now = this.#counts()
    const up = now.up - this.#accounted.up
    const down = now.down - this.#accounted.down
    if (up === 0 && down === 0) return
    const series = this.#deps.report.series(this.#labels)
    series.receivedBytes += up
    series.sentBytes += down
    this.#accounted = now
  }

  /** Bytes are the local pod's: what its app sent, what it received. */
  #line(event: AccessRecord['event'], end: Pick<AccessRecord, 'durationMs' | 'error'>): LogLine {
    const { src, dst, direction } = this.#facts
    const { up, down } = this.#counts()
    const [bytesSent, bytesReceived] = direction === 'outbound' ? [up, down] : [down, up]
    return accessLine({ event, direction, src, dst, bytesSent, bytesReceived, ...end })
  }
}

/** The line of a connection that was refused before it was one: no context, so addresses and the reason only. */
export function refusedLine(
  direction: 'inbound' | 'outbound',
  ends: { readonly src: string; readonly dst: string },
  error: AccessError,
): LogLine {
  return accessLine({
    event: 'failed',
    direction,
    src: { addr: ends.src },
    dst: { addr: ends.dst },
    error,
  })
}
