import { LOG_LIMITS } from './log-limits.ts'
import { TelemetryError } from './telemetry-error.ts'

export const logLevels = ['error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof logLevels)[number]

interface Directive {
  readonly scope: string
  /** How many of `logLevels` pass; 0 is off. */
  readonly passes: number
}

/**
 * Which lines are written: `info,access=debug,xds=off`. The longest scope that a line's own scope starts with decides;
 * without a default, `error`. One object is shared by all loggers of a process, so that the admin port can change it.
 *
 * @see env_logger's filter syntax, as upstream reads it from `RUST_LOG`
 */
export class LevelFilter {
  readonly #startup: readonly Directive[]
  #directives: readonly Directive[]

  private constructor(directives: readonly Directive[]) {
    this.#startup = directives
    this.#directives = directives
  }

  /** @throws {TelemetryError} `LEVEL_FILTER_INVALID`, naming the part that was refused. */
  static parse(text: string): LevelFilter {
    return new LevelFilter(parseDirectives(text))
  }

  allows(scope: string, level: LogLevel): boolean {
    const directive = this.#directives.find((candidate) => isWithin(scope, candidate.scope))
    return logLevels.indexOf(level) < (directive?.passes ?? 1)
  }

  /**
   * Adds to what is in force; a scope that is named again is replaced.
   *
   * @throws {TelemetryError} `LEVEL_FILTER_INVALID`; nothing is changed then.
   */
  change(text: string): void {
    const added = parseDirectives(text)
    const kept = this.#directives.filter((old) => !added.some((directive) => directive.scope === old.scope))
    this.#directives = ordered([...added, ...kept])
  }

  /** Back to what was parsed at start. */
  reset(): void {
    this.#directives = this.#startup
  }

  toString(): string {
    return this.#directives
      .map(({ scope, passes }) => (scope === '' ? levelName(passes) : `${scope}=${levelName(passes)}`))
      .toReversed()
      .join(',')
  }
}

function isWithin(scope: string, prefix: string): boolean {
  if (!scope.startsWith(prefix)) return false
  const next = scope[prefix.length]
  return prefix === '' || next === undefined || next === ':' || next === '.'
}

function parseDirectives(text: string): readonly Directive[] {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (parts.length > LOG_LIMITS.logFilterParts.value)
    throw invalid(`more than ${LOG_LIMITS.logFilterParts.value} parts`)
  return ordered(parts.map(parseDirective))
}

function parseDirective(part: string): Directive {
  const [left = '', right, ...rest] = part.split('=').map((side) => side.trim())
  if (rest.length > 0 || left === '' || right === '')
    throw invalid(`"${part}" is no LEVEL, SCOPE or SCOPE=LEVEL`)
  if (right !== undefined) return { scope: left, passes: passesOf(right) }
  return isLevelName(left) ? { scope: '', passes: passesOf(left) } : { scope: left, passes: logLevels.length }
}

function passesOf(text: string): number {
  const name = text.toLowerCase()
  if (name === 'off') return 0
  const index = logLevels.findIndex((level) => level === name)
  if (index < 0) throw invalid(`"${text}" is none of off, ${logLevels.join(', ')}`)
  return index + 1
}

function isLevelName(text: string): boolean {
  const name = text.toLowerCase()
  return name === 'off' || logLevels.some((level) => level === name)
}

function levelName(passes: number): string {
  return logLevels[passes - 1] ?? 'off'
}

/** Longest scope first, so that the first that fits decides; of two for one scope the later is kept. */
function ordered(directives: readonly Directive[]): readonly Directive[] {
  const byScope = new Map(directives.map((directive) => [directive.scope, directive]))
  return [...byScope.values()].toSorted(
    (a, b) => b.scope.length - a.scope.length || (a.scope < b.scope ? 1 : -1),
  )
}

function invalid(detail: string): TelemetryError {
  return new TelemetryError('LEVEL_FILTER_INVALID', `Cannot parse log filter: ${detail}`)
}
