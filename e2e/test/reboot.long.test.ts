/** A pod of the mesh that starts while agent and ztunnel of its node are away: held back, and never a byte in the clear. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Capture, Lab, type TcpPacket } from '@ambient/lab'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerFor, curl, enrolShop, MARKER, podTraffic, SHOP } from '../shop.ts'

requireRoot()

/** Takes mutual TLS only, so that whatever a pod takes in the clear is a breach. */
const STRICT = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
`
/** A pod that never joins the mesh, on the other node. */
const OUTSIDER = 'plain/outsider'
const OUTSIDE = `
{apiVersion: v1, kind: Namespace, metadata: {name: plain}}
---
{apiVersion: v1, kind: Pod, metadata: {name: outsider, namespace: plain}, spec: {nodeName: node2, containers: [{name: idle, command: [sleep, infinity]}]}}
`
const BREACH = 'newborn-answered'
/** Serves, then asks until it is answered, from its first moment on. */
const NEWBORN_PROGRAM = `
mkdir /tmp/n && cd /tmp/n
printf '%s\\n' 'daemon off; worker_processes 1; pid /tmp/n/pid; error_log stderr;' 'events {}' 'http { access_log /dev/stdout; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; server { listen 8080; return 200 "${BREACH}\\n"; } }' >nginx.conf
nginx -p /tmp/n -c /tmp/n/nginx.conf &
until curl -sS --max-time 1 http://web/; do sleep 0.02; done
exec sleep infinity`
/** Addresses that host-local gives out next on node1, whichever of its sandboxes has one of them for a moment. */
const KNOCK = `while :; do curl -sS -Z --parallel-max 60 --max-time 1 "http://10.244.1.[2-60]:8080/knock"; done`
const AWAY_MS = 20_000

let lab: Lab

beforeAll(async () => {
  lab = await Lab.up({ nodes: 2, manifests: [SHOP, OUTSIDE, STRICT] })
  await lab.ready()
  await enrolShop(lab)
  await lab.waitFor(
    'curl through the mesh',
    async () => (await curl(lab, 'shop/client')) === answerFor(lab, 'shop/client'),
    10_000,
  )
})
afterAll(() => lab.down())

/** As after a boot: nothing is left of what lies in memory, and the primary has written its own network anew. */
async function wipeRunDirectory(): Promise<void> {
  await lab.node(1).mustRun(['rm', '-rf', '/run/istio-cni', '/run/ztunnel'])
  const networks = join(lab.directory, 'nodes', 'node1', 'net.d')
  const [ours = '', primary = '', ...others] = readdirSync(networks).toSorted()
  expect([ours, primary, others]).toEqual(['02-istio-cni.conflist', '10-lab.conflist', []])
  writeFileSync(join(networks, primary), readFileSync(join(networks, primary)))
}

/** Bytes of the capture that were in the clear and to or from that address. */
async function inTheClear(wire: Capture, ips: ReadonlySet<string>): Promise<readonly TcpPacket[]> {
  const { clear } = await podTraffic(wire)
  return clear.filter(({ source, destination }) => ips.has(source) || ips.has(destination))
}

test.each([
  { what: 'ztunnel is', away: ['ztunnel@node1'] },
  { what: 'both are, and all they had in memory,', away: ['ztunnel@node1', 'agent@node1'] },
])(
  'a pod that starts while $what away waits for all of them, and then is in the mesh from its first byte on',
  async ({ away }) => {
    for (const app of away) await lab.app(app).kill('SIGKILL')
    if (away.length > 1) await wipeRunDirectory()
    await using wire = await lab.capture()
    const knocking = await lab.pod(OUTSIDER).start(KNOCK)
    const name = `newborn-${away.join('-').replaceAll('@node1', '')}`
    const pod = lab.pod(`shop/${name}`)
    lab.apply(
      `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop}, spec: {nodeName: node1, containers: [{name: newborn, ports: [{containerPort: 8080}], command: [sh, -c, ${JSON.stringify(NEWBORN_PROGRAM)}]}]}}`,
    )
    const refusals = (): number => pod.events.filter((event) => event.includes('refused with 11')).length
    for (const app of away) {
      const before = refusals()
      await lab.waitFor(
        'the CNI chain to be asked, and to hold the pod back',
        () => refusals() > before,
        AWAY_MS,
      )
      expect(pod.isReady).toBe(false)
      await lab.app(app).start()
    }
    await lab.waitFor('its first answer', () => pod.isReady && pod.logs().includes(MARKER), AWAY_MS * 2)
    expect(pod.logs()).toContain(answerFor(lab, `shop/${name}`))
    for (const app of away) await lab.app(app).ready()

    const knocked = async (): Promise<boolean> =>
      (await inTheClear(wire, new Set([pod.ip]))).some(({ payload }) =>
        Buffer.from(payload).includes('/knock'),
      )
    await lab.waitFor('the outsider to have knocked at the pod that runs', knocked, AWAY_MS)
    const own = new Set(Array.from({ length: 59 }, (_, n) => `10.244.1.${n + 2}`))
    const said = (await inTheClear(wire, own)).filter(
      ({ source, payload }) => own.has(source) && payload.length > 0,
    )
    expect(said).toEqual([]) // by none of its sandboxes
    expect(pod.logs()).not.toContain('/knock')
    for (const marker of [MARKER, BREACH]) expect(await wire.holds(marker)).toBe(false)
    expect((await podTraffic(wire)).hbone.some(({ source }) => source === pod.ip)).toBe(true)

    const answered = await lab.pod('shop/other').exec(`curl -sS --max-time 5 http://${pod.ip}:8080/knock`)
    expect(answered.stdout).toBe(`${BREACH}\n`) // through the mesh; so it does serve, and its log would have told
    await lab.waitFor('its access log', () => pod.logs().includes('/knock'), AWAY_MS)
    await knocking.kill('SIGKILL')
    await lab.delete(`pod/shop/${name}`)
  },
  120_000,
)
