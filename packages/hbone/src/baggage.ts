/** The `baggage` field: who the workload at this end is, for the other end's telemetry. Never for a decision. */

export type BaggageWorkloadType = 'deployment' | 'cronjob' | 'pod' | 'job'

/** What a workload says about itself. */
export interface BaggageFacts {
  readonly clusterId?: string | undefined
  readonly namespace?: string | undefined
  readonly workloadType?: BaggageWorkloadType | undefined
  readonly workloadName?: string | undefined
  readonly serviceName?: string | undefined
  readonly serviceVersion?: string | undefined
  readonly region?: string | undefined
  readonly zone?: string | undefined
}

/** As many members as W3C baggage asks a parser to take. */
const MAX_MEMBERS = 180
const WORKLOAD_NAME = /^k8s\.(deployment|cronjob|pod|job)\.name$/
/** There is no escape: a value that would read as something else is left out. */
const SAFE_VALUE = /^[\x21-\x2b\x2d-\x3c\x3e-\x7e]+$/

/** Members in their fixed order; empty ones left out, no percent-encoding. */
export function buildBaggage(facts: BaggageFacts): string {
  const members: (readonly [string, string | undefined])[] = [
    ['k8s.cluster.name', facts.clusterId],
    ['k8s.namespace.name', facts.namespace],
    [`k8s.${facts.workloadType ?? 'pod'}.name`, facts.workloadName],
    ['service.name', facts.serviceName],
    ['service.version', facts.serviceVersion],
    ['cloud.region', facts.region],
    ['cloud.availability_zone', facts.zone],
  ]
  return members
    .filter(([, value]) => value !== undefined && SAFE_VALUE.test(value))
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}

/**
 * Reads every `baggage` line of a message. Unknown keys are ignored, a later value wins, a second `=` cuts the value.
 *
 * @param values One entry a header line, in order.
 */
export function parseBaggage(values: readonly string[]): BaggageFacts {
  const facts: Writable<BaggageFacts> = {}
  let seen = 0
  for (const value of values) {
    for (const member of value.split(',', MAX_MEMBERS)) {
      if (++seen > MAX_MEMBERS) return facts
      readMember(member, facts)
    }
  }
  return facts
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

const KEYS: Readonly<Record<string, Exclude<keyof BaggageFacts, 'workloadType'>>> = {
  'k8s.cluster.name': 'clusterId',
  'k8s.namespace.name': 'namespace',
  'service.name': 'serviceName',
  'service.version': 'serviceVersion',
  'cloud.region': 'region',
  'cloud.availability_zone': 'zone',
}

function readMember(member: string, facts: Writable<BaggageFacts>): void {
  const [rawKey = '', rawValue = ''] = member.split('=', 2)
  const value = rawValue.trim()
  if (value === '') return
  const key = rawKey.trim()
  const type = WORKLOAD_NAME.exec(key)?.[1]
  if (isWorkloadType(type)) {
    facts.workloadType = type
    facts.workloadName = value
    return
  }
  const field = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined
  if (field !== undefined) facts[field] = value
}

function isWorkloadType(text: string | undefined): text is BaggageWorkloadType {
  return text === 'deployment' || text === 'cronjob' || text === 'pod' || text === 'job'
}
