/** DNS of enrolled pods: glibc's resolver in the pods, the agent's redirect, ztunnel's proxy, dnsmasq as cluster DNS. */
import { Lab } from '@ambient/lab'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { enrolShop, SHOP } from '../shop.ts'

requireRoot()

/** A host that istiod knows and cluster DNS does not; a headless service; a pod that keeps its DNS to itself. */
const MORE = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: shop }
spec:
  hosts: [api.outside.test]
  addresses: [240.240.0.9]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [{ address: 192.0.2.9 }]
---
apiVersion: v1
kind: Service
metadata: { name: webs, namespace: shop }
spec:
  clusterIP: None
  clusterIPs: [None]
  selector: { app: web }
  ports: [{ name: http, port: 8080, targetPort: 8080, protocol: TCP }]
---
apiVersion: v1
kind: Pod
metadata:
  name: aside
  namespace: shop
  annotations: { ambient.istio.io/dns-capture: "false" }
spec:
  nodeName: node1
  containers: [{ name: idle, command: [sleep, infinity] }]
`
const WAIT_MS = 10_000
let lab: Lab
/** Of the service `web`, as cluster DNS has it. */
let vip: readonly string[]

beforeAll(async () => {
  lab = await Lab.up({ nodes: 2, families: 'dual', manifests: [SHOP, MORE] })
  await lab.ready()
  await enrolShop(lab)
  await lab.app('agent@node1').waitForLog(/pod enrolled.*shop\/aside"/, 15_000)
  await resolved('client', 'api.outside.test', ['240.240.0.9'])
  vip = await lookUp('aside', 'web')
  expect(vip).toHaveLength(1)
})
afterAll(() => lab.down())

/** What glibc finds, each address once; nothing when it finds nothing. */
async function lookUp(pod: string, name: string, database = 'ahostsv4'): Promise<readonly string[]> {
  const { stdout } = await lab.pod(`shop/${pod}`).exec(['getent', database, name])
  const addresses = stdout.split('\n').flatMap((line) => line.split(' ')[0] ?? [])
  return [...new Set(addresses.filter((ip) => ip !== ''))].toSorted()
}

async function resolved(pod: string, name: string, expected: readonly string[]): Promise<void> {
  await lab.waitFor(
    `${name} to be ${expected.join(' and ')} in ${pod}`,
    async () => (await lookUp(pod, name)).join() === expected.join(),
    WAIT_MS,
  )
}

/** The sum of a DNS metric of node 1 over all its labels. */
async function total(metric: string): Promise<number> {
  const { body } = await lab.httpGet('ztunnel@node1', 15_020, '/metrics')
  return body
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

test.each(['web', 'web.shop', 'web.shop.svc', 'web.shop.svc.cluster.local'])(
  '%s is answered by ztunnel itself',
  async (name) => {
    const [requests, forwarded] = [
      await total('istio_dns_requests_total'),
      await total('istio_dns_upstream_requests_total'),
    ]
    expect(await lookUp('client', name)).toEqual(vip)
    await lab.waitFor(
      'it to be counted',
      async () => (await total('istio_dns_requests_total')) > requests,
      WAIT_MS,
    )
    expect(await total('istio_dns_upstream_requests_total')).toBe(forwarded)
  },
)

test('a headless service is its pods', async () => {
  await resolved('client', 'webs', [lab.pod('shop/web').ip])
})

test('a host of a ServiceEntry is known to pods whose DNS is captured, and to no other', async () => {
  expect(await lookUp('client', 'api.outside.test')).toEqual(['240.240.0.9'])
  expect(await lookUp('aside', 'api.outside.test')).toEqual([])
})

test('a name outside is asked of cluster DNS, addresses of both families', async () => {
  const forwarded = await total('istio_dns_upstream_requests_total')
  expect(await lookUp('client', 'outside.test')).toEqual(['192.0.2.1'])
  expect(await lookUp('client', 'outside.test', 'ahostsv6')).toEqual(['2001:db8::1'])
  await lab.waitFor(
    'it to be counted',
    async () => (await total('istio_dns_upstream_requests_total')) > forwarded,
    WAIT_MS,
  )
  expect(await lookUp('client', 'nowhere.test')).toEqual([])
})

test('sixty addresses do not fit in a datagram: glibc asks again over TCP, and so do we', async () => {
  expect(await lookUp('client', 'many.outside.test')).toHaveLength(60)
  const { body } = await lab.httpGet('ztunnel@node1', 15_020, '/metrics')
  await lab.waitFor(
    'the query over TCP to be counted',
    async () =>
      /istio_dns_upstream_requests_total\{[^}]*request_protocol="tcp"/.test(
        (await lab.httpGet('ztunnel@node1', 15_020, '/metrics')).body,
      ),
    WAIT_MS,
  )
  expect(body).toContain('istio_dns_upstream_request_duration_seconds_bucket')
})

test('a name server with an IPv6 address is captured as well', async () => {
  const useIpv6 = "printf 'search shop.svc.cluster.local\\nnameserver fd00:10:96::a\\n' >/etc/resolv.conf"
  await lab.pod('shop/other').exec(useIpv6)
  expect(await lookUp('other', 'web')).toEqual(vip)
  expect(await lookUp('other', 'api.outside.test')).toEqual(['240.240.0.9'])
  expect(await lookUp('other', 'outside.test')).toEqual(['192.0.2.1'])
  expect(await lookUp('other', 'many.outside.test')).toHaveLength(60)
})

test('the annotation leaves a pod’s DNS alone', async () => {
  const rules = async (pod: string): Promise<string> =>
    (await lab.pod(`shop/${pod}`).exec('iptables-save')).stdout
  expect(await rules('client')).toContain('--to-ports 15053')
  expect(await rules('aside')).not.toContain('--to-ports 15053')
  expect(await rules('aside')).toContain('--to-ports 15001')
  expect(await lookUp('aside', 'web')).toEqual(vip)
})

test('the log says at debug who asked for what, once it is asked for', async () => {
  const ztunnel = lab.app('ztunnel@node1')
  expect(ztunnel.logs()).not.toContain('dns\tquery')
  await lab.node(1).run(['curl', '-sS', '-X', 'POST', 'http://127.0.0.1:15000/logging?level=dns=debug'])
  await lookUp('client', 'web')
  await ztunnel.waitForLog(
    /debug\tdns\tquery\tsrc\.workload="client" src\.namespace="shop" query="A" domain="web\.shop\.svc\.cluster\.local\." result="success"/,
    WAIT_MS,
  )
})

test('a ztunnel killed: captured pods resolve nothing meanwhile, and all again when it is back', async () => {
  const ztunnel = lab.app('ztunnel@node1')
  await ztunnel.kill('SIGKILL')
  for (const pod of ['client', 'other'])
    for (const name of ['web', 'outside.test']) expect(await lookUp(pod, name)).toEqual([])
  expect(await lookUp('aside', 'outside.test')).toEqual(['192.0.2.1'])
  await ztunnel.start()
  await ztunnel.ready()
  await resolved('client', 'web', vip)
  await resolved('client', 'outside.test', ['192.0.2.1'])
})
