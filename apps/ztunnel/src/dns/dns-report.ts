import { type DnsQuestion, recordTypeName } from '@ambient/dns'
import type { Workload } from '@ambient/model'
import type { LogLine, ReasonCode } from '@ambient/telemetry'
import type { DnsTransport } from './answer-query.ts'
import type { DnsLimitName } from './dns-limits.ts'

/** One series of the DNS metrics on this thread, as counted since the last report. */
export interface DnsSample {
  /** Label values in the metric table's order. */
  readonly labels: readonly string[]
  readonly requests: number
  readonly forwarded: number
  readonly failures: number
  /** Of each query that was forwarded and has ended. */
  readonly durationsSeconds: readonly number[]
}

/** What was counted of DNS on one thread since its last report. */
export interface DnsCounts {
  readonly samples: readonly DnsSample[]
  readonly limitHits: Readonly<Partial<Record<DnsLimitName, number>>>
  readonly refusals: Readonly<Partial<Record<ReasonCode, number>>>
}

export interface DnsReportDeps {
  readonly post: (counts: DnsCounts) => void
  readonly after: (delayMs: number, fire: () => void) => unknown
  /** For a line of the scope `dns`, if such are written at all. */
  readonly log: (line: LogLine) => void
  readonly isLogged: () => boolean
  readonly maxDurations: number
}

/** Who asked for what and how, for labels and the log. */
export interface DnsSubject {
  readonly question: DnsQuestion | undefined
  readonly transport: DnsTransport
  readonly workload: Workload | undefined
}

export interface DnsOutcome {
  readonly result: string
  readonly answerCount: number
  readonly reason?: ReasonCode
}

interface Series {
  readonly labels: readonly string[]
  requests: number
  forwarded: number
  failures: number
  durationsSeconds: number[]
}

const FLUSH_MS = 200

/** Counters and log lines of the DNS proxy on one thread, handed on in batches. */
export class DnsReport {
  readonly #deps: DnsReportDeps
  readonly #series = new Map<string, Series>()
  #limitHits: Partial<Record<DnsLimitName, number>> = {}
  #refusals: Partial<Record<ReasonCode, number>> = {}
  #durations = 0
  #isDue = false

  constructor(deps: DnsReportDeps) {
    this.#deps = deps
  }

  requested(subject: DnsSubject): void {
    this.#of(subject).requests++
  }

  forwarded(subject: DnsSubject): void {
    this.#of(subject).forwarded++
  }

  forwardEnded(subject: DnsSubject, durationMs: number, hasFailed: boolean): void {
    const series = this.#of(subject)
    series.durationsSeconds.push(durationMs / 1000)
    if (hasFailed) series.failures++
    if (++this.#durations >= this.#deps.maxDurations) this.flush()
  }

  limitHit(limit: DnsLimitName): void {
    this.#limitHits[limit] = (this.#limitHits[limit] ?? 0) + 1
    this.#touched()
  }

  /** One line for a query, at its end. */
  ended({ question, workload }: DnsSubject, { result, answerCount, reason }: DnsOutcome): void {
    if (reason !== undefined) {
      this.#refusals[reason] = (this.#refusals[reason] ?? 0) + 1
      this.#touched()
    }
    if (!this.#deps.isLogged()) return
    this.#deps.log({
      level: 'debug',
      scope: 'dns',
      message: 'query',
      fields: {
        'src.workload': workload?.name ?? 'unknown',
        'src.namespace': workload?.namespace ?? 'unknown',
        query: question === undefined ? undefined : typeText(question.type),
        domain: question === undefined ? undefined : `${question.name}.`,
        result,
        endpoints: answerCount,
        reason,
      },
    })
  }

  flush(): void {
    const samples = [...this.#series.values()]
    const limitHits = this.#limitHits
    const refusals = this.#refusals
    this.#series.clear()
    this.#durations = 0
    this.#limitHits = {}
    this.#refusals = {}
    if (samples.length + Object.keys(limitHits).length + Object.keys(refusals).length === 0) return
    this.#deps.post({ samples, limitHits, refusals })
  }

  #of(subject: DnsSubject): Series {
    const labels = labelsOf(subject)
    const key = labels.join('\u0000')
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const made: Series = { labels, requests: 0, forwarded: 0, failures: 0, durationsSeconds: [] }
    this.#series.set(key, made)
    this.#touched()
    return made
  }

  #touched(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#deps.after(FLUSH_MS, () => {
      this.#isDue = false
      this.flush()
    })
  }
}

/** A type that only a few know is `unknown`: any client can name 65,536 of them. */
function labelsOf({ question, transport, workload }: DnsSubject): readonly string[] {
  const type = question === undefined ? undefined : recordTypeName(question.type)
  return [type?.toLowerCase(), transport, workload?.canonicalName, workload?.canonicalRevision].map((label) =>
    label === undefined || label === '' ? 'unknown' : label,
  )
}

function typeText(type: number): string {
  return recordTypeName(type) ?? `TYPE${type}`
}
