import type { LogLevel } from './level-filter.ts'
import { LOG_LIMITS } from './log-limits.ts'

export type LogFormat = 'plain' | 'json'
export type LogField = string | number | bigint | boolean | undefined

/** One event for people, as plain data: a worker makes it, the main thread formats and writes it. */
export interface LogLine {
  readonly level: LogLevel
  /** Who speaks: `access`, `xds`, `ca`, `zds` … */
  readonly scope: string
  readonly message: string
  /** In the order in which they are written; `undefined` ones are left out. */
  readonly fields: Readonly<Record<string, LogField>>
}

/**
 * Plain: `time<TAB>level<TAB>scope<TAB>message<TAB>k=v k="text"`. JSON: one flat object. Control characters of a value
 * are escaped, so that nobody can forge a line. No line end.
 *
 * @see ztunnel `src/telemetry.rs`
 */
export function formatLogLine(line: LogLine, format: LogFormat, nowMs: number): string {
  const time = microsecondTime(nowMs)
  const fields = Object.entries(line.fields).filter(([, value]) => value !== undefined)
  if (format === 'json') {
    const values = fields.map(([name, value]) => [name, jsonValue(value)])
    const head = { level: line.level, time, scope: line.scope, message: bounded(line.message) }
    return escapeControls(JSON.stringify({ ...head, ...Object.fromEntries(values) }))
  }
  const head = `${time}\t${line.level}\t${line.scope}\t${escapeControls(bounded(line.message))}`
  if (fields.length === 0) return head
  return `${head}\t${fields.map(([name, value]) => `${name}=${plainValue(name, value)}`).join(' ')}`
}

/** RFC 3339 in UTC with microseconds, as upstream's; `nowMs` may carry a fraction. */
function microsecondTime(nowMs: number): string {
  const micros = Math.floor((nowMs - Math.floor(nowMs)) * 1000)
  return new Date(Math.floor(nowMs)).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`)
}

/** Upstream quotes every text but addresses; log readers depend on it. */
function plainValue(name: string, value: LogField): string {
  if (typeof value !== 'string') return String(value)
  const isBare = (name.endsWith('addr') || name.endsWith('.addr')) && /^[!#-~]+$/.test(value)
  return isBare ? bounded(value) : escapeControls(JSON.stringify(bounded(value)))
}

function jsonValue(value: LogField): LogField {
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'string' ? bounded(value) : value
}

function bounded(text: string): string {
  return text.length > LOG_LIMITS.logValueChars.value
    ? `${text.slice(0, LOG_LIMITS.logValueChars.value)}…`
    : text
}

function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
