import { createRequire } from 'node:module'
import type * as prometheus from 'prom-client'
import { defineLimits } from '../limits.ts'
import { TelemetryError } from '../telemetry-error.ts'
import { type Component, type MetricDefinition, type metricRows, metricTable } from './metric-table.ts'

type NamesOf<T extends MetricDefinition['type']> = {
  [K in keyof typeof metricRows]: (typeof metricRows)[K]['type'] extends T ? K : never
}[keyof typeof metricRows]

export type CounterName = NamesOf<'counter'>
export type GaugeName = NamesOf<'gauge'>
export type HistogramName = NamesOf<'histogram'>

export interface Metrics {
  /** @param labels In the table's order; a missing one is `unknown`. */
  add(name: CounterName, value: number, labels?: readonly (string | undefined)[]): void
  set(name: GaugeName, value: number, labels?: readonly (string | undefined)[]): void
  observe(name: HistogramName, value: number, labels?: readonly (string | undefined)[]): void
}

export interface MetricsLimits {
  readonly maxSeries: number
}

const table = {
  metricSeries: {
    value: 20_000,
    unit: 'items',
    whenHit:
      'Further label combinations of that metric are counted together, every label "overflow"; ambient_limit_hits_total',
  },
} as const

export const METRICS_LIMITS: typeof table = defineLimits(table)

type LabelValues = readonly (string | undefined)[]
type Recorder = (values: Record<string, string>, amount: number) => void

interface Entry {
  readonly labels: readonly string[]
  readonly series: Map<string, Record<string, string>>
  readonly overflow: Record<string, string>
  readonly record: Recorder
}

/** Loaded by who counts, not by every thread that writes a log line: it is of ninety modules. */
const load: (name: 'prom-client') => typeof prometheus = createRequire(import.meta.url)

const DEFAULTS: MetricsLimits = { maxSeries: METRICS_LIMITS.metricSeries.value }

/**
 * Registers the metrics of `component`, and those of all, with `registry`.
 *
 * @throws {TelemetryError} `METRIC_MISUSED`, from the returned functions, for a metric of another component or more labels than it has.
 */
export function createMetrics(
  registry: prometheus.Registry,
  component: Component,
  limits: MetricsLimits = DEFAULTS,
): Metrics {
  const entries = new Map<string, Entry>()
  for (const [name, definition] of metricTable) {
    if (definition.component === component || definition.component === 'all') {
      entries.set(name, makeEntry(name, definition, registry))
    }
  }
  const record = (name: string, amount: number, labels: LabelValues = []): void => {
    const entry = entries.get(name)
    if (entry === undefined)
      throw new TelemetryError('METRIC_MISUSED', `Metric ${name} is not one of ${component}`)
    if (labels.length > entry.labels.length) {
      throw new TelemetryError(
        'METRIC_MISUSED',
        `Metric ${name} has ${entry.labels.length} labels, not ${labels.length}`,
      )
    }
    const values = seriesOf(entry, labels, limits.maxSeries)
    if (values === entry.overflow && name !== 'ambient_limit_hits_total') {
      record('ambient_limit_hits_total', 1, ['metricSeries'])
    }
    entry.record(values, amount)
  }
  return { add: record, set: record, observe: record }
}

function makeEntry(name: string, definition: MetricDefinition, registry: prometheus.Registry): Entry {
  const { labels, help } = definition
  const overflow = Object.fromEntries(labels.map((label) => [label, 'overflow']))
  return { labels, series: new Map(), overflow, record: makeRecord(name, { ...definition, help }, registry) }
}

function makeRecord(name: string, definition: MetricDefinition, registry: prometheus.Registry): Recorder {
  const { Counter, Gauge, Histogram } = load('prom-client')
  const options = { name, help: definition.help, labelNames: [...definition.labels], registers: [registry] }
  switch (definition.type) {
    case 'counter': {
      const counter = new Counter(options)
      return (values, amount) => counter.inc(values, amount)
    }
    case 'gauge': {
      const gauge = new Gauge(options)
      return (values, amount) => gauge.set(values, amount)
    }
    case 'histogram': {
      const histogram = new Histogram({ ...options, buckets: [...(definition.buckets ?? [])] })
      return (values, amount) => histogram.observe(values, amount)
    }
  }
}

/** Label objects are made once per combination: a busy counter is added to thousands of times a second. */
function seriesOf(entry: Entry, labels: LabelValues, maxSeries: number): Record<string, string> {
  const key = labels.join('\u0000')
  const known = entry.series.get(key)
  if (known !== undefined) return known
  if (entry.series.size >= maxSeries) return entry.overflow
  const pairs = entry.labels.map((label, i): [string, string] => [
    label,
    labels[i] === undefined || labels[i] === '' ? 'unknown' : labels[i],
  ])
  const values: Record<string, string> = Object.fromEntries(pairs)
  entry.series.set(key, values)
  return values
}
