import { isReasonCode, type LogLine, type ResponseFlag, reason } from '@ambient/telemetry'
import { REFUSAL_LIMITS } from './refusal-limits.ts'

/** A connection that was refused, or that ended for a reason. */
export interface RecentRefusal {
  readonly time: string
  readonly direction: string
  readonly src: string
  readonly dst: string
  readonly reason: string
  readonly responseFlags: ResponseFlag
  readonly error: string
  readonly policy?: string
}

/** The last refusals of this node, for the configuration dump: what the access log says of them. */
export class RecentRefusals {
  readonly #kept: RecentRefusal[] = []

  /** Lines of other things pass by. */
  note({ scope, fields }: LogLine, nowMs: number): void {
    const code = fields['reason']
    if (scope !== 'access' || typeof code !== 'string' || !isReasonCode(code)) return
    const text = (name: string): string => String(fields[name] ?? '')
    const policy = text('policy')
    this.#kept.push({
      time: new Date(nowMs).toISOString(),
      direction: text('direction'),
      src: text('src.addr'),
      dst: text('dst.addr'),
      reason: code,
      responseFlags: reason(code).flag,
      error: text('error'),
      ...(policy !== '' && { policy }),
    })
    if (this.#kept.length > REFUSAL_LIMITS.refusalsKept.value) this.#kept.shift()
  }

  /** Newest first. */
  list(): readonly RecentRefusal[] {
    return this.#kept.toReversed()
  }
}
