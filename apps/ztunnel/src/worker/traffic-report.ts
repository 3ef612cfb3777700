import type { CounterName, LogLine } from '@ambient/telemetry'
import type { TrafficSample, WorkerReport } from './messages.ts'

export interface TrafficReportDeps {
  readonly post: (report: WorkerReport) => void
  /** Runs `task` once, at the end of this turn of the loop. */
  readonly defer: (task: () => void) => void
  readonly after: (delayMs: number, fire: () => void) => unknown
}

/** One series of the traffic metrics on this thread, as counted since the last report. */
export class TrafficSeries {
  readonly labels: readonly string[]
  opened = 0
  closed = 0
  failed = 0
  sentBytes = 0
  receivedBytes = 0

  constructor(labels: readonly string[]) {
    this.labels = labels
  }
}

const FLUSH_MS = 200
const MAX_LINES = 10_000
const MAX_IDLE_SERIES = 4096

/** Counters and log lines of one byte thread, handed to the control thread in batches: one message a turn or fewer. */
export class TrafficReport {
  readonly #deps: TrafficReportDeps
  readonly #series = new Map<string, TrafficSeries>()
  readonly #live = new Set<() => void>()
  #lines: LogLine[] = []
  #dropped = 0
  #linesDue = false
  #trafficDue = false
  #sockets: [number, number] = [0, 0]
  readonly #counts = new Map<
    string,
    { readonly metric: CounterName; readonly labels: readonly string[]; amount: number }
  >()

  constructor(deps: TrafficReportDeps) {
    this.#deps = deps
  }

  series(labels: readonly string[]): TrafficSeries {
    const key = labels.join('\u0000')
    const known = this.#series.get(key)
    if (known !== undefined) return known
    if (this.#series.size >= MAX_IDLE_SERIES) this.flushTraffic()
    const made = new TrafficSeries(labels)
    this.#series.set(key, made)
    return made
  }

  /** Registers a function that adds a live connection's new bytes to its series before each report; returns how to leave. */
  onFlush(account: () => void): () => void {
    this.#live.add(account)
    this.touched()
    return () => void this.#live.delete(account)
  }

  /** Counts one event in a counter that is not one of the traffic series. */
  count(metric: CounterName, labels: readonly string[]): void {
    const key = [metric, ...labels].join('\u0000')
    const known = this.#counts.get(key)
    if (known !== undefined) known.amount++
    else this.#counts.set(key, { metric, labels, amount: 1 })
    this.touched()
  }

  socketChanged(side: 'source' | 'destination', by: 1 | -1): void {
    this.#sockets[side === 'source' ? 0 : 1] += by
    this.touched()
  }

  touched(): void {
    if (this.#trafficDue) return
    this.#trafficDue = true
    this.#deps.after(FLUSH_MS, () => {
      this.#trafficDue = false
      this.flushTraffic()
      if (this.#live.size > 0) this.touched()
    })
  }

  log(line: LogLine): void {
    if (this.#lines.length >= MAX_LINES) {
      this.#lines.shift()
      this.#dropped++
    }
    this.#lines.push(line)
    if (this.#linesDue) return
    this.#linesDue = true
    this.#deps.defer(() => this.flushLines())
  }

  flushLines(): void {
    this.#linesDue = false
    if (this.#lines.length === 0) return
    const lines = this.#lines
    this.#lines = []
    this.#deps.post({ kind: 'log', lines, dropped: this.#dropped })
    this.#dropped = 0
  }

  flushTraffic(): void {
    for (const account of this.#live) account()
    const samples: TrafficSample[] = []
    for (const [key, series] of this.#series) {
      const { labels, opened, closed, failed, sentBytes, receivedBytes } = series
      if (opened + closed + failed + sentBytes + receivedBytes === 0) {
        // Idle since the last report: let go. Who counts again gets a new one from `series()`.
        this.#series.delete(key)
        continue
      }
      samples.push({ labels, opened, closed, failed, sentBytes, receivedBytes })
      series.opened = series.closed = series.failed = series.sentBytes = series.receivedBytes = 0
    }
    const [source, destination] = this.#sockets
    const counts = [...this.#counts.values()]
    if (samples.length + counts.length === 0 && source === 0 && destination === 0) return
    this.#sockets = [0, 0]
    this.#counts.clear()
    this.#deps.post({ kind: 'traffic', samples, socketsOpened: [source, destination], counts })
  }
}
