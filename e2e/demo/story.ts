/** The demo's steps, in order: each says what it saw, and the first that does not hold ends it. */
import type { Capture, Lab } from '@ambient/lab'
import {
  answerFor,
  curl,
  enrolShop,
  finishedLine,
  ipOf,
  isCarried,
  MARKER,
  PODS,
  podTraffic,
  policyYaml,
  SHOP,
} from '../shop.ts'
import { measurePrice, type Price, showPrice } from './price.ts'
import type { Sabotage } from './sabotage.ts'
import { awaiting, claim, detail, found, heading, progress, seen, showFindings, showTable } from './show.ts'

const REDIS_PORT = 6379
const BIG_BYTES = 50_000_000
const CLIENT = 'shop/client'
const OTHER = 'shop/other'
const CURLS = 10
const POLICY_TRIES = 20
/** What the mesh promises; a loaded machine is given three times as long. */
const POLICY_GOAL_MS = 100

/** Whichever of them is there. */
const FLUSH =
  'iptables -t nat -F ISTIO_OUTPUT; ip6tables -t nat -F ISTIO_OUTPUT; nft flush chain inet istio-ambient-nat istio-output'

type Running = Awaited<ReturnType<ReturnType<Lab['pod']>['start']>>

interface Redis {
  readonly running: Running
  /** The server's own number of the connection. */
  readonly connection: string | undefined
}

/** @throws {Error} that says which step did not hold, and what was seen instead */
export async function tellStory(lab: Lab, sabotage: Sabotage | undefined): Promise<void> {
  progress('the pods to run')
  for (const pod of PODS) await lab.pod(`shop/${pod}`).ready(20_000)
  for (const pod of PODS)
    detail(`shop/${pod} ${lab.pod(`shop/${pod}`).ips.join(', ')} on ${lab.pod(`shop/${pod}`).nodeName}`)
  // A pod runs before its server listens, and the node's service rules and DNS follow it.
  await awaiting('the service', async () => (await curl(lab, CLIENT)) === answerFor(lab, CLIENT), 20_000)
  const without = await before(lab)
  const redis = await openRedis(lab)
  await enrol(lab)
  await inside(lab, redis, sabotage)
  await identities(lab, sabotage)
  await policy(lab, sabotage)
  heading('The price')
  showPrice(lab, without, await measurePrice(lab, CLIENT))
  await leave(lab, redis)
  await count(lab)
  heading('In short')
  showFindings()
}

async function before(lab: Lab): Promise<Price> {
  heading('Before enrolment')
  const wire = await lab.capture()
  claim((await curl(lab, CLIENT)) === answerFor(lab, CLIENT), 'curl http://web/ works', 'it did not answer')
  claim(
    await wire.holds(MARKER),
    'its answer is readable on the link between the nodes',
    'the marker was not seen',
  )
  await wire.stop()
  found('curl before enrolment', 'answered; readable on the link')
  return measurePrice(lab, CLIENT)
}

/** A connection that goes on through everything: one redis-cli that asks ten times a second. */
async function openRedis(lab: Lab): Promise<Redis> {
  const running = await lab.pod(CLIENT).start('exec redis-cli -h cache -r 100000 -i 0.1 incr visits')
  await awaiting('redis to count', () => visits({ running }) > 3, 10_000)
  return { running, connection: await redisConnection(lab) }
}

async function redisConnection(lab: Lab): Promise<string | undefined> {
  const { stdout } = await lab.pod('shop/cache').exec(['redis-cli', 'client', 'list'])
  return stdout
    .split('\n')
    .find((line) => lab.pod(CLIENT).ips.some((ip) => line.includes(` addr=${endpoint(ip, '')}`)))
    ?.split(' ')[0]
}

function endpoint(ip: string, port: number | ''): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

function visits({ running }: Pick<Redis, 'running'>): number {
  return Number(running.logs().trim().split('\n').at(-1)?.replace(/\D/g, '') ?? 0)
}

async function enrol(lab: Lab): Promise<void> {
  heading('One label: istio.io/dataplane-mode=ambient on the namespace')
  progress('the agents to enrol the pods')
  await enrolShop(lab)
  seen('all four pods are enrolled, none was restarted')
  await awaiting(
    'the mesh to carry the connection',
    async () => (await curl(lab, CLIENT)) === answerFor(lab, CLIENT) && isCarried(lab),
    10_000,
  )
  found('the label on a running namespace', 'four pods enrolled, none restarted')
}

async function inside(lab: Lab, redis: Redis, sabotage: Sabotage | undefined): Promise<void> {
  heading('Inside the mesh')
  if (sabotage === 'plaintext') {
    await lab.app(`agent@${lab.pod(CLIENT).nodeName}`).kill('SIGKILL') // it would write the rules again
    await lab.pod(CLIENT).exec(FLUSH)
  }
  const wire = await lab.capture()
  for (let i = 0; i < CURLS; i++) {
    const answer = await curl(lab, CLIENT)
    if (answer !== answerFor(lab, CLIENT))
      throw new Error(
        `curl answered ${JSON.stringify(answer)} instead of ${JSON.stringify(answerFor(lab, CLIENT))}`,
      )
  }
  seen('the same curl works, ten times; nginx sees the client pod itself')
  const visited = visits(redis)
  await awaiting('redis to go on', () => visits(redis) > visited + 3, 5000)
  seen('the Redis connection that was open before goes on')
  claim(!(await wire.holds(MARKER)), 'the marker is not readable on the link', 'it was')
  found('the same curl in the mesh', `${CURLS} of ${CURLS} answered; not readable on the link`)
  await onlyHbone(wire)
  await wire.stop()
}

async function onlyHbone(wire: Capture): Promise<void> {
  const { hbone, clear } = await podTraffic(wire)
  const kept = clear.filter(
    ({ sourcePort, destinationPort }) => sourcePort === REDIS_PORT || destinationPort === REDIS_PORT,
  )
  const keptConnections = new Set(
    kept.map((p) =>
      [endpoint(p.source, p.sourcePort), endpoint(p.destination, p.destinationPort)].toSorted().join(' - '),
    ),
  )
  const others = clear.length - kept.length
  claim(
    hbone.length > 0,
    `${hbone.length} TCP packets between pods, all to or from port 15008`,
    'there were none',
  )
  claim(others === 0, 'no other TCP between pods', `${others} packets`)
  claim(
    keptConnections.size === 1,
    `one connection kept open at enrolment, named: ${[...keptConnections].join(', ')}`,
    `${keptConnections.size} connections on port ${REDIS_PORT}`,
  )
  found('TCP between the nodes', `${hbone.length} packets of HBONE, ${others} of anything new`)
}

async function identities(lab: Lab, sabotage: Sabotage | undefined): Promise<void> {
  heading('Who is who')
  if (sabotage === 'identity') await replaceClient(lab)
  for (const node of ['node1', 'node2']) {
    const line = await awaiting(
      `a finished connection in the log of ztunnel@${node}`,
      () => finishedLine(lab, `ztunnel@${node}`, 'dst.service="web', ipOf(lab, CLIENT)),
      5000,
    )
    const ids = [...line.matchAll(/(?:src|dst)\.identity="([^"]+)"/g)].map(([, id]) => id)
    claim(
      ids.join() === 'spiffe://cluster.local/ns/shop/sa/client,spiffe://cluster.local/ns/shop/sa/web',
      `ztunnel@${node}: ${ids.join(' → ')}`,
      'other identities',
    )
  }
  found('the identities', 'client and web, as both ends log them')
}

/** The client pod again, under another service account. */
async function replaceClient(lab: Lab): Promise<void> {
  const documents = SHOP.split('---\n')
  const client = documents.find((text) => text.includes('name: client'))
  if (client === undefined) throw new Error('Cannot find the client in shop.yaml')
  await lab.delete('pod/shop/client')
  lab.apply(client.replace('serviceAccountName: client', 'serviceAccountName: impostor'))
  await lab.pod(CLIENT).ready(20_000)
  await awaiting(
    'the replaced client to be answered',
    async () => (await curl(lab, CLIENT)) === answerFor(lab, CLIENT),
    10_000,
  )
  await lab.app('ztunnel@node2').waitForLog(/sa\/impostor/, 5000)
}

async function policy(lab: Lab, sabotage: Sabotage | undefined): Promise<void> {
  heading('An AuthorizationPolicy lets one service account in')
  const allow = policyYaml('only-client', 'ALLOW', 'client')
  const applied =
    sabotage === 'policy'
      ? allow.replace('principals: [', 'principals: ["cluster.local/ns/shop/sa/other", ')
      : allow
  lab.apply(applied)
  await refused(lab)
  claim((await curl(lab, CLIENT)) === answerFor(lab, CLIENT), 'client is let in', 'it was not')
  const log = await lab.app('ztunnel@node2').waitForLog(/sa\/other.*NO_ALLOW_POLICY_MATCHED/, 5000)
  const why = /error="[^"]*" reason="[^"]*" policy="[^"]*"/.exec(log)?.[0]
  claim(
    why?.endsWith('policy="shop/only-client"') === true,
    'other is refused, and the log says why and by which policy',
    log.slice(-200),
  )
  detail(why ?? '')
  found('the account that no policy allows', 'refused; reason and policy in the log')
  const tookMs: number[] = []
  while (tookMs.length < POLICY_TRIES) {
    if (tookMs.length > 0) {
      lab.apply(applied)
      await refused(lab)
    }
    tookMs.push(await policyGoneMs(lab))
  }
  sayPolicyTimes(tookMs.toSorted((a, b) => a - b))
}

function refused(lab: Lab): Promise<boolean> {
  return awaiting('the other account to be refused', async () => (await curl(lab, OTHER)) === '', 5000)
}

/** Milliseconds from the deletion of the policy to an answer that it had kept back. */
async function policyGoneMs(lab: Lab): Promise<number> {
  await lab.delete('authorizationpolicy/shop/only-client')
  const sinceMs = performance.now()
  await awaiting(
    'the other account to be let in again',
    async () => (await curl(lab, OTHER)) === answerFor(lab, OTHER),
    5000,
  )
  return performance.now() - sinceMs
}

function sayPolicyTimes(sorted: readonly number[]): void {
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  const said = `${median.toFixed(0)} ms (median of ${sorted.length}, worst ${(sorted.at(-1) ?? Number.NaN).toFixed(0)} ms)`
  claim(
    median <= 3 * POLICY_GOAL_MS,
    `policy taken away: traffic follows in ${said}, curl's own time included`,
    `more than three times ${POLICY_GOAL_MS} ms`,
  )
  found('the policy taken away', `traffic follows in ${said}`)
}

async function leave(lab: Lab, redis: Redis): Promise<void> {
  heading('The label taken away')
  const words = `curl -sS --max-time 30 --limit-rate 15M -o /dev/null -w %{size_download} http://web/big`
  const transfer = lab.pod(CLIENT).exec(words.split(' '), { deadlineMs: 40_000 })
  await awaiting(
    'the transfer to run through the mesh',
    async () => (await lab.httpGet('ztunnel@node2', 15000, '/config_dump')).body.includes('"originalDst"'),
    5000,
  )
  lab.label('namespace/shop', { 'istio.io/dataplane-mode': null })
  progress('the transfer to end')
  const { stdout } = await transfer
  claim(
    Number(stdout) === BIG_BYTES,
    `a running transfer of ${BIG_BYTES / 1e6} MB went on to its end`,
    `it ended after ${stdout} bytes`,
  )
  await awaiting('new connections to go direct', () => goesDirect(lab), 20_000)
  seen('new connections go direct')
  claim(
    redis.connection !== undefined && (await redisConnection(lab)) === redis.connection,
    'the Redis connection is still the same one',
    'the server sees another',
  )
  found('the label taken away', 'a running transfer ended whole; new connections go direct')
}

async function goesDirect(lab: Lab): Promise<boolean> {
  const wire = await lab.capture()
  await curl(lab, CLIENT)
  const direct = await wire.holds(MARKER)
  await wire.stop()
  return direct
}

async function count(lab: Lab): Promise<void> {
  heading('What ztunnel@node2 counted')
  const { body } = await lab.httpGet('ztunnel@node2', 15020, '/metrics')
  const names = [
    'connections_opened',
    'connections_closed',
    'connections_failed',
    'sent_bytes',
    'received_bytes',
  ]
  const sums = names.map((name) => {
    const metric = `istio_tcp_${name}_total`
    const sum = body
      .split('\n')
      .filter((line) => line.startsWith(`${metric}{`))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
    return [metric, String(sum)]
  })
  showTable(['counter', 'sum of its series'], sums)
}
