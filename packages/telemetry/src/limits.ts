import { TelemetryError } from './telemetry-error.ts'

/** One bound of one package; docs/limits.md is made from these. */
export interface LimitDefinition {
  readonly value: number
  readonly unit:
    | 'bytes'
    | 'ms'
    | 's'
    | 'items'
    | 'connections'
    | 'streams'
    | 'lines'
    | 'per-second'
    | 'attempts'
  /** What happens to the one that does not fit, and where that is counted. */
  readonly whenHit: string
}

export type LimitTable = Readonly<Record<string, LimitDefinition>>
export type LimitValues<T extends LimitTable> = { readonly [K in keyof T]: number }

/**
 * Checks a package's table of limits and hands it back.
 *
 * @throws {TelemetryError} `LIMIT_INVALID` for a value that is not finite and positive, or a limit nobody described.
 */
export function defineLimits<const T extends LimitTable>(table: T): T {
  for (const [name, { value, whenHit }] of Object.entries(table)) {
    if (!Number.isFinite(value) || value <= 0)
      throw new TelemetryError('LIMIT_INVALID', `Limit ${name} is ${value}`)
    if (whenHit === '')
      throw new TelemetryError('LIMIT_INVALID', `Limit ${name} does not say what happens when it is hit`)
  }
  return table
}

/** The numbers of a table by name, in the form that code takes as an option and a test overrides. */
export function limitValues<const T extends LimitTable>(table: T): LimitValues<T>
export function limitValues(table: LimitTable): LimitValues<LimitTable> {
  return Object.fromEntries(Object.entries(table).map(([name, { value }]) => [name, value]))
}
