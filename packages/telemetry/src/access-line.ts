import type { LogLine } from './log-line.ts'
import type { ReasonCode } from './reasons/reasons.ts'

export interface AccessEndpoint {
  /** `ip:port`; for the destination the actual next hop. */
  readonly addr: string
  readonly workload?: string | undefined
  readonly namespace?: string | undefined
  /** Only when proved by mTLS. */
  readonly identity?: string | undefined
  readonly cluster?: string | undefined
}

export interface AccessError {
  readonly reason: ReasonCode
  readonly detail: string
  /** `ns/name` of the policy that refused, or of those of which one had to allow. */
  readonly policy?: string | undefined
}

export interface AccessRecord {
  /** `rerouted`: the upstream named could not be had, and another is tried. */
  readonly event: 'opened' | 'rerouted' | 'complete' | 'failed'
  readonly direction: 'inbound' | 'outbound'
  readonly src: AccessEndpoint
  readonly dst: AccessEndpoint & {
    /** The authority of CONNECT. */
    readonly hboneAddr?: string | undefined
    readonly service?: string | undefined
  }
  /** What the local pod's app sent and received, which is the reverse of the metrics' point of view. */
  readonly bytesSent?: number | undefined
  readonly bytesReceived?: number | undefined
  readonly durationMs?: number | undefined
  readonly error?: AccessError | undefined
}

/**
 * The access log's line for one connection: upstream's fields in upstream's order, then `reason` and `policy` after `error`.
 *
 * @see ztunnel `src/proxy/metrics.rs`
 */
export function accessLine(record: AccessRecord): LogLine {
  return {
    level: levelOf(record),
    scope: 'access',
    message: `connection ${record.event}`,
    fields: fieldsOf(record),
  }
}

function levelOf(record: AccessRecord): LogLine['level'] {
  if (record.event === 'opened') return 'debug'
  if (record.event === 'failed' || record.event === 'rerouted') return 'warn'
  return record.error === undefined ? 'info' : 'error'
}

function fieldsOf(record: AccessRecord): LogLine['fields'] {
  const { src, dst } = record
  return {
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
    direction: record.direction,
    bytes_sent: record.bytesSent,
    bytes_recv: record.bytesReceived,
    duration: record.durationMs === undefined ? undefined : `${Math.round(record.durationMs)}ms`,
    error: record.error?.detail,
    reason: record.error?.reason,
    policy: record.error?.policy,
  }
}
