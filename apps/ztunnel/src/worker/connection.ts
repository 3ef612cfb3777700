import type { SpiffeId } from '@ambient/spiffe'
import { type ReasonCode, type ResponseFlag, reasons } from '@ambient/telemetry'
import type { LiveConnection, LogLine } from './messages.ts'
import type { TrafficReport } from './traffic-report.ts'

/** One end of a connection as telemetry names it; what is unknown is left out. */
export interface EndFacts {
  readonly addr: string
  readonly workload?: string | undefined
  readonly namespace?: string | undefined
  readonly identity?: SpiffeId | undefined
  readonly cluster?: string | undefined
}

export interface ConnectionFacts {
  readonly direction: 'inbound' | 'outbound'
  readonly protocol: 'HBONE' | 'TCP'
  readonly src: EndFacts
  readonly dst: EndFacts & { readonly hboneAddr?: string | undefined; readonly service?: string | undefined }
  readonly originalDst: string
  readonly admittedBy: string | undefined
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

export type Outcome =
  | { readonly kind: 'completed' }
  | { readonly kind: 'failed'; readonly reason: ReasonCode; readonly detail: string }

interface EndFields {
  readonly duration?: string
  readonly error?: string
  readonly reason?: ReasonCode
}

const NOTHING: ByteCounts = { up: 0, down: 0 }

/**
 * A connection from the decision to its end, for telemetry and for cutting it: counted and logged exactly once.
 * The bytes themselves never pass here.
 */
export class Connection {
  readonly facts: ConnectionFacts
  readonly #deps: ConnectionDeps
  readonly #openedAtMs: number
  readonly #leaveFlush: () => void
  /** Of the series that opening and bytes are counted in; made once, for it is asked for with every report. */
  readonly #labels: readonly string[]
  #counts: () => ByteCounts = () => NOTHING
  #accounted: ByteCounts = NOTHING
  /** Until something carries it there is nothing to cut but the connection itself. */
  #cut: (outcome: Outcome) => void = (outcome) => this.end(outcome)
  #ended = false

  constructor(facts: ConnectionFacts, deps: ConnectionDeps) {
    this.facts = facts
    this.#deps = deps
    this.#openedAtMs = deps.loop.nowMs
    this.#labels = facts.labels('-')
    deps.report.series(this.#labels).opened++
    this.#leaveFlush = deps.report.onFlush(() => this.#account())
    deps.report.log(this.#line('debug', 'connection opened', {}))
  }

  get isEnded(): boolean {
    return this.#ended
  }

  /** Says where the bytes are counted and how to cut the connection; `cut` must lead to `end`. */
  carriedBy(counts: () => ByteCounts, cut: (outcome: Outcome) => void): void {
    this.#counts = counts
    this.#cut = cut
  }

  cut(reason: ReasonCode, detail: string): void {
    if (!this.#ended) this.#cut({ kind: 'failed', reason, detail })
  }

  end(outcome: Outcome): void {
    if (this.#ended) return
    this.#account()
    this.#ended = true
    this.#leaveFlush()
    this.#deps.onEnd()
    const { report, loop } = this.#deps
    const flag = outcome.kind === 'failed' ? reasons[outcome.reason].flag : '-'
    const series = report.series(flag === '-' ? this.#labels : this.facts.labels(flag))
    series.closed++
    if (flag !== '-') series.failed++
    report.touched()
    const duration = `${Math.max(0, Math.round(loop.nowMs - this.#openedAtMs))}ms`
    if (outcome.kind === 'completed')
      return report.log(this.#line('info', 'connection complete', { duration }))
    report.log(
      this.#line('error', 'connection complete', { duration, error: outcome.detail, reason: outcome.reason }),
    )
  }

  describe(nowMs: number): LiveConnection {
    const { facts } = this
    const { up, down } = this.#counts()
    return {
      direction: facts.direction,
      src: facts.src.addr,
      originalDst: facts.originalDst,
      actualDst: facts.dst.addr,
      protocol: facts.protocol,
      sourceIdentity: facts.src.identity,
      admittedBy: facts.admittedBy,
      ageMs: Math.round(nowMs - this.#openedAtMs),
      sentBytes: down,
      receivedBytes: up,
    }
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

  /** Fields in upstream's order. Bytes are the local pod's: what its app sent, what it received. */
  #line(level: LogLine['level'], message: string, end: EndFields): LogLine {
    const { src, dst, direction } = this.facts
    const { up, down } = this.#counts()
    const [sent, received] = direction === 'outbound' ? [up, down] : [down, up]
    return {
      level,
      scope: 'access',
      message,
      fields: {
        'src.addr': src.addr,
        'src.workload': src.workload,
        'src.namespace': src.namespace,
        'src.identity': src.identity,
        'src.cluster': src.cluster,
        'dst.addr': dst.addr,
        'dst.hbone_addr': dst.hboneAddr,
        'dst.service': dst.service,
        'dst.workload': dst.workload,
        'dst.namespace': dst.namespace,
        'dst.identity': dst.identity,
        'dst.cluster': dst.cluster,
        direction,
        bytes_sent: sent,
        bytes_recv: received,
        duration: end.duration,
        error: end.error,
        reason: end.reason,
      },
    }
  }
}

/** The line of a connection that was refused before it was one: no context, so addresses and the reason only. */
export function refusedLine(
  direction: 'inbound' | 'outbound',
  ends: { readonly src: string; readonly dst: string },
  why: { readonly reason: ReasonCode; readonly detail: string },
): LogLine {
  return {
    level: 'warn',
    scope: 'access',
    message: 'connection failed',
    fields: { 'src.addr': ends.src, 'dst.addr': ends.dst, direction, error: why.detail, reason: why.reason },
  }
}
