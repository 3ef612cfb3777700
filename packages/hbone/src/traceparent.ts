import type { Random } from '@ambient/lifecycle'

/** The two numbers of a `traceparent`; they only tie log lines of two proxies together. */
export interface Traceparent {
  readonly traceId: string
  readonly spanId: string
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/
const ZEROS = /^0+$/

/** A fresh one, not sampled. */
export function buildTraceparent(random: Random): string {
  const hex = Buffer.from(random.bytes(24)).toString('hex')
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-00`
}

/** @returns `undefined` for anything invalid: the caller takes a fresh one. */
export function parseTraceparent(text: string): Traceparent | undefined {
  const [, traceId, spanId, rest] = TRACEPARENT.exec(text) ?? []
  if (traceId === undefined || spanId === undefined || text.startsWith('ff')) return undefined
  if (rest !== undefined && text.startsWith('00')) return undefined
  return ZEROS.test(traceId) || ZEROS.test(spanId) ? undefined : { traceId, spanId }
}
