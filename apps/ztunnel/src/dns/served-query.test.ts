import { decodeMessage, encodeMessage, responseCodes } from '@ambient/dns'
import { EventLoop } from '@ambient/event-loop'
import { systemRandom } from '@ambient/lifecycle'
import type { LogLine } from '@ambient/telemetry'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { dnsQuery } from '../../test/dns-query.ts'
import { pod } from '../../test/mesh-fixture.ts'
import type { DnsCounts } from './dns-report.ts'
import { openDnsThread } from './dns-thread.ts'
import { type DnsPod, serveQuery } from './served-query.ts'

const faults: unknown[] = []
const lines: LogLine[] = []
const counts: DnsCounts[] = []
let loop: EventLoop
beforeEach(() => {
  for (const list of [faults, lines, counts]) list.length = 0
  loop = new EventLoop({ onFault: (_owner, cause) => void faults.push(cause) })
})
afterEach(() => loop[Symbol.dispose]())

function podWith(over: Partial<DnsPod>): DnsPod {
  const settings = {
    addresses: [],
    nameservers: [],
    clusterDomain: 'cluster.local',
    searchDomains: undefined,
    preferredNamespace: undefined,
  }
  const thread = openDnsThread(settings, {
    loop,
    random: systemRandom,
    post: (posted) => void counts.push(posted),
    log: (line) => void lines.push(line),
    isLogged: () => true,
  })
  if (thread === undefined) throw new Error('there are settings')
  const client = pod('client', { canonicalName: 'client' })
  return {
    thread,
    local: () => client,
    withLocal: (use) => use(client),
    resolve: () => ({ kind: 'answer', addresses: ['10.0.0.1'], alias: undefined }),
    forward: () => {},
    admit: () => true,
    release: () => {},
    ...over,
  }
}

function serve(
  over: Partial<DnsPod>,
  message: Uint8Array = encodeMessage(dnsQuery('web')),
): (Uint8Array | undefined)[] {
  const answers: (Uint8Array | undefined)[] = []
  const served = podWith(over)
  serveQuery({ bytes: message, transport: 'udp', answer: (answer) => void answers.push(answer) }, served)
  served.thread.report.flush()
  return answers
}

const codesOf = (answers: readonly (Uint8Array | undefined)[]): readonly (number | undefined)[] =>
  answers.map((answer) => (answer === undefined ? undefined : decodeMessage(answer).responseCode))

test('serveQuery() answers a pod that stays unknown SERVFAIL, counts it without a client, and lets it wait no longer', () => {
  let waiting = 0
  const answers = serve({
    local: () => undefined,
    admit: () => ++waiting > 0,
    release: () => waiting--,
    withLocal: (use) => use(undefined),
  })
  expect([codesOf(answers), waiting]).toEqual([[responseCodes.serverFailure], 0])
  expect(counts).toMatchObject([
    {
      samples: [{ labels: ['a', 'udp', 'unknown', 'unknown'], requests: 1 }],
      refusals: { SOURCE_UNKNOWN: 1 },
    },
  ])
  expect(lines).toMatchObject([
    { scope: 'dns', level: 'debug', fields: { 'src.workload': 'unknown', reason: 'SOURCE_UNKNOWN' } },
  ])
})

test('serveQuery() lets a query of an unknown pod not wait beyond the limit', () => {
  expect(codesOf(serve({ local: () => undefined, admit: () => false }))).toEqual([
    responseCodes.serverFailure,
  ])
  expect(counts).toMatchObject([{ refusals: { LIMIT_REACHED: 1 } }])
})

test('serveQuery() answers SERVFAIL when our own code throws, once, and says so', () => {
  const answers = serve({
    resolve: () => {
      throw new Error('bug')
    },
  })
  expect(codesOf(answers)).toEqual([responseCodes.serverFailure])
  expect([faults.length, lines.at(-1)?.fields['reason']]).toEqual([1, 'WORKER_FAULT'])
})

test('serveQuery() counts a name that does not exist as no failure, SERVFAIL as one', () => {
  for (const responseCode of [responseCodes.nameError, responseCodes.serverFailure]) {
    const message = encodeMessage(dnsQuery('web', { isResponse: true, responseCode }))
    const head = { ...decodeMessage(message), answerCount: 0 }
    const answers = serve({
      resolve: () => ({ kind: 'forward' }),
      forward: (_request, onEnd) => onEnd({ kind: 'answered', message, head }),
    })
    expect(codesOf(answers)).toEqual([responseCode])
  }
  expect(counts.map(({ samples }) => samples[0]?.failures)).toEqual([0, 1])
})

test('serveQuery() has no answer to what has no header', () => {
  expect(serve({}, Uint8Array.of(1, 2, 3))).toEqual([undefined])
  expect(counts).toEqual([])
})

test('the lines of DNS are not made when nobody reads them', () => {
  const quiet = podWith({})
  const thread = openDnsThread(quiet.thread.settings, {
    loop,
    random: systemRandom,
    post: () => {},
    log: (line) => void lines.push(line),
    isLogged: () => false,
  })
  if (thread === undefined) throw new Error('there are settings')
  serveQuery(
    { bytes: encodeMessage(dnsQuery('web')), transport: 'udp', answer: () => {} },
    { ...quiet, thread },
  )
  expect(lines).toEqual([])
})
