import type { Clock } from '@ambient/lifecycle'
import type { LevelFilter } from './level-filter.ts'
import { formatLogLine, type LogField, type LogFormat, type LogLine } from './log-line.ts'

export type LogFields = Readonly<Record<string, LogField>>

export interface Logger {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  /** Writes a line made elsewhere, under its own scope and level. */
  line(line: LogLine): void
  /** Whether a line would be written; for fields that cost something to make. */
  isEnabled(level: LogLine['level']): boolean
  /** A logger that speaks as `scope`; the scope is not nested. */
  child(scope: string): Logger
}

export interface LoggerOptions {
  readonly format: LogFormat
  readonly level: LevelFilter
  /** Takes one line without its end; see `LineWriter` for a bounded one. */
  readonly write: (line: string) => void
  readonly clock: Pick<Clock, 'nowMs'>
  readonly scope: string
}

export function createLogger(options: LoggerOptions): Logger {
  const { format, level: filter, write, clock, scope } = options
  const line = (entry: LogLine): void => {
    if (filter.allows(entry.scope, entry.level)) write(formatLogLine(entry, format, clock.nowMs()))
  }
  const at =
    (level: LogLine['level']) =>
    (message: string, fields: LogFields = {}): void =>
      line({ level, scope, message, fields })
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    line,
    isEnabled: (level) => filter.allows(scope, level),
    child: (childScope) => createLogger({ ...options, scope: childScope }),
  }
}
