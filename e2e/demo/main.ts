/** `npm run demo`: the real mesh on one machine, step by step; ends with 0 only if every step was seen to hold. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { type Capture, Lab, removeLeftovers, tracesOf, waitFor } from '@ambient/lab'
import { answerFor, curl, enrolShop, MARKER, PODS, podTraffic, policyYaml, SHOP } from '../shop.ts'
import { broken, claim, detail, heading, seen } from './show.ts'

const REDIS_PORT = 6379
const BIG_BYTES = 50_000_000
const CLIENT = 'shop/client'
const OTHER = 'shop/other'

/** What `--sabotage` breaks, on purpose, so that one can see the demo notice. */
const SABOTAGES = ['plaintext', 'identity', 'policy', 'leak'] as const
type Sabotage = (typeof SABOTAGES)[number]

const [option, value] = process.argv.slice(2)
const sabotage: Sabotage | undefined = SABOTAGES.find((name) => option === '--sabotage' && name === value)
if (option !== undefined && option !== '--keep' && sabotage === undefined) {
  process.stderr.write(
    `demo: unknown option "${process.argv.slice(2).join(' ')}"; usage: npm run demo [-- --keep | --sabotage ${SABOTAGES.join('|')}]\n`,
  )
  process.exit(2)
}

const LEAKED = `demo-leak-${process.pid}`
const namesBefore = netnsNames()
const startedMs = performance.now()
heading('A lab: two nodes, an agent and a ztunnel on each, one istiod, and a small shop')
const lab = await Lab.up({ nodes: 2, manifests: [SHOP], report: (message) => broken(message) })
let failed: unknown
try {
  await story()
} catch (cause) {
  failed = cause
}
if (option === '--keep' && failed === undefined) {
  detail('kept up; Ctrl-C ends it')
  await new Promise(() => setInterval(() => {}, 1 << 30))
}
if (sabotage === 'leak') execFileSync('ip', ['netns', 'add', LEAKED])
try {
  await lab.down()
  const left = [...tracesOf(lab.id), ...netnsNames().filter((name) => !namesBefore.includes(name))]
  if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`)
} catch (cause) {
  failed ??= cause
  await removeLeftovers()
}
if (sabotage === 'leak') execFileSync('ip', ['netns', 'del', LEAKED])
if (failed !== undefined) {
  broken(failed instanceof Error ? failed.message : JSON.stringify(failed))
  process.exitCode = 1
} else
  seen(
    `everything held, and nothing is left behind (${((performance.now() - startedMs) / 1000).toFixed(0)} s)`,
  )

function netnsNames(): readonly string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : []
}

async function story(): Promise<void> {
  for (const pod of PODS) await lab.pod(`shop/${pod}`).ready(20_000)
  for (const pod of PODS)
    detail(`shop/${pod} ${lab.pod(`shop/${pod}`).ip} on ${lab.pod(`shop/${pod}`).nodeName}`)
  await before()
  const redis = await openRedis()
  await enrol()
  await inside(redis)
  await identities()
  await policy()
  await leave()
  await table()
}

async function before(): Promise<void> {
  heading('Before enrolment')
  const wire = await lab.capture()
  claim((await curl(lab, CLIENT)) === answerFor(lab, CLIENT), 'curl http://web/ works', 'it did not answer')
  claim(
    await wire.holds(MARKER),
    'its answer is readable on the link between the nodes',
    'the marker was not seen',
  )
  await wire.stop()
}

type Running = Awaited<ReturnType<ReturnType<Lab['pod']>['start']>>

/** A connection that goes on through everything: one redis-cli that asks ten times a second. */
async function openRedis(): Promise<Running> {
  const running = await lab.pod(CLIENT).start('exec redis-cli -h cache -r 100000 -i 0.1 incr visits')
  await waitFor('redis to count', () => visits(running) > 3, 10_000)
  return running
}

function visits(running: Running): number {
  return Number(running.logs().trim().split('\n').at(-1)?.replace(/\D/g, '') ?? 0)
}

async function enrol(): Promise<void> {
  heading('One label: istio.io/dataplane-mode=ambient on the namespace')
  await enrolShop(lab)
  seen('all four pods are enrolled, none was restarted')
  await waitFor(
    'the mesh to carry the connection',
    async () =>
      (await curl(lab, CLIENT)) === answerFor(lab, CLIENT) &&
      lab.app('ztunnel@node2').logs().includes('direction="inbound"'),
    10_000,
  )
}

async function inside(redis: Running): Promise<void> {
  heading('Inside the mesh')
  if (sabotage === 'plaintext') await lab.pod(CLIENT).exec('iptables -t nat -F ISTIO_OUTPUT')
  const wire = await lab.capture()
  for (let i = 0; i < 10; i++) claimQuietly(await curl(lab, CLIENT), answerFor(lab, CLIENT))
  seen('the same curl works, ten times; nginx sees the client pod itself')
  const visited = visits(redis)
  await waitFor('redis to go on', () => visits(redis) > visited + 3, 5000)
  seen('the Redis connection that was open before goes on')
  claim(!(await wire.holds(MARKER)), 'the marker is not readable on the link', 'it was')
  await onlyHbone(wire)
  await wire.stop()
}

function claimQuietly(got: string, expected: string): void {
  if (got !== expected)
    throw new Error(`curl answered ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`)
}

async function onlyHbone(wire: Capture): Promise<void> {
  const { hbone, clear } = await podTraffic(wire)
  const kept = clear.filter(
    ({ sourcePort, destinationPort }) => sourcePort === REDIS_PORT || destinationPort === REDIS_PORT,
  )
  const keptConnections = new Set(
    kept.map((p) =>
      [`${p.source}:${p.sourcePort}`, `${p.destination}:${p.destinationPort}`].toSorted().join(' - '),
    ),
  )
  claim(
    hbone.length > 0,
    `${hbone.length} TCP packets between pods, all to or from port 15008`,
    'there were none',
  )
  claim(clear.length === kept.length, 'no other TCP between pods', `${clear.length - kept.length} packets`)
  claim(
    keptConnections.size === 1,
    `one connection kept open at enrolment, named: ${[...keptConnections].join(', ')}`,
    `${keptConnections.size} connections on port ${REDIS_PORT}`,
  )
}

async function identities(): Promise<void> {
  heading('Who is who')
  if (sabotage === 'identity') await replaceClient()
  for (const node of ['node1', 'node2']) {
    const line = await waitFor(
      `a finished connection in the log of ztunnel@${node}`,
      () =>
        lab
          .app(`ztunnel@${node}`)
          .logs()
          .split('\n')
          .findLast(
            (text) =>
              text.includes('connection complete') &&
              text.includes('dst.service="web') &&
              text.includes(lab.pod(CLIENT).ip),
          ),
      5000,
    )
    const ids = [...line.matchAll(/(?:src|dst)\.identity="([^"]+)"/g)].map(([, id]) => id)
    claim(
      ids.join() === 'spiffe://cluster.local/ns/shop/sa/client,spiffe://cluster.local/ns/shop/sa/web',
      `ztunnel@${node}: ${ids.join(' → ')}`,
      'other identities',
    )
  }
}

/** The client pod again, under another service account. */
async function replaceClient(): Promise<void> {
  const documents = SHOP.split('---\n')
  const client = documents.find((text) => text.includes('name: client'))
  if (client === undefined) throw new Error('Cannot find the client in shop.yaml')
  await lab.delete('pod/shop/client')
  lab.apply(client.replace('serviceAccountName: client', 'serviceAccountName: impostor'))
  await lab.pod(CLIENT).ready(20_000)
  await waitFor(
    'the replaced client to be answered',
    async () => (await curl(lab, CLIENT)) === answerFor(lab, CLIENT),
    10_000,
  )
  await lab.app('ztunnel@node2').waitForLog(/sa\/impostor/, 5000)
}

async function policy(): Promise<void> {
  heading('An AuthorizationPolicy lets one service account in')
  const allow = policyYaml('only-client', 'ALLOW', 'client')
  lab.apply(
    sabotage === 'policy'
      ? allow.replace('principals: [', 'principals: ["cluster.local/ns/shop/sa/other", ')
      : allow,
  )
  await waitFor('the other account to be refused', async () => (await curl(lab, OTHER)) === '', 5000)
  claim((await curl(lab, CLIENT)) === answerFor(lab, CLIENT), 'client is let in', 'it was not')
  const log = await lab.app('ztunnel@node2').waitForLog(/sa\/other.*NO_ALLOW_POLICY_MATCHED/, 5000)
  seen('other is refused')
  detail(/error="[^"]*" reason="[^"]*"/.exec(log)?.[0] ?? log.slice(-200))
  await lab.delete('authorizationpolicy/shop/only-client')
  const sinceMs = performance.now()
  await waitFor(
    'the other account to be let in again',
    async () => (await curl(lab, OTHER)) === answerFor(lab, OTHER),
    5000,
  )
  const tookMs = performance.now() - sinceMs
  claim(
    tookMs < 300,
    `policy taken away: traffic follows in ${tookMs.toFixed(0)} ms, curl's own time included`,
    `${tookMs.toFixed(0)} ms`,
  )
}

async function leave(): Promise<void> {
  heading('The label taken away')
  const transfer = lab
    .pod(CLIENT)
    .exec(
      [
        'curl',
        '-sS',
        '--max-time',
        '30',
        '--limit-rate',
        '15M',
        '-o',
        '/dev/null',
        '-w',
        '%{size_download}',
        'http://web/big',
      ],
      { deadlineMs: 40_000 },
    )
  await waitFor(
    'the transfer to run through the mesh',
    async () => (await lab.httpGet('ztunnel@node2', 15000, '/config_dump')).body.includes('"originalDst"'),
    5000,
  )
  lab.label('namespace/shop', { 'istio.io/dataplane-mode': null })
  const { stdout } = await transfer
  claim(
    Number(stdout) === BIG_BYTES,
    `a running transfer of ${BIG_BYTES / 1e6} MB went on to its end`,
    `it ended after ${stdout} bytes`,
  )
  await waitFor(
    'new connections to go direct',
    async () => {
      const wire = await lab.capture()
      await curl(lab, CLIENT)
      const direct = await wire.holds(MARKER)
      await wire.stop()
      return direct
    },
    20_000,
  )
  seen('new connections go direct')
}

async function table(): Promise<void> {
  heading('What was counted')
  const { body } = await lab.httpGet('ztunnel@node2', 15020, '/metrics')
  for (const name of [
    'istio_tcp_connections_opened_total',
    'istio_tcp_connections_closed_total',
    'istio_tcp_connections_failed_total',
    'istio_tcp_sent_bytes_total',
    'istio_tcp_received_bytes_total',
  ]) {
    const sum = body
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
    detail(`${name.padEnd(40)} ${sum}`)
  }
  for (const { name, cpuMs, rssBytes } of lab.stats())
    detail(`${name.padEnd(16)} ${(cpuMs / 1000).toFixed(2)} s of CPU, ${(rssBytes / 1e6).toFixed(0)} MB`)
}
