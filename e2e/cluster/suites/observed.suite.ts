/** What a connection leaves behind in metrics and logs of both its ends, with every label and field; and what each part lets be scraped. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { NAMESPACE } from '../install.ts'
import { ask, enrolled, shop } from '../shop.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'observed'
const CLIENT = `${SPACE}/client`
const WEB = `http://web.${SPACE}/`

beforeAll(async () => {
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.podsReady(SPACE, 'app')
  await enrolled(cluster, SPACE)
  await cluster.waitFor('the client to be answered', () => ask(cluster, CLIENT, WEB), 30_000)
})
afterAll(() => cluster.delete('namespace', SPACE, '--wait=false'))

/** What each pod of a part lets be scraped. */
async function metrics(app: string, port: number): Promise<readonly string[]> {
  const list = await cluster.kubectl('get', 'pods', '-n', NAMESPACE, '-l', `app=${app}`, '-o', 'name')
  return Promise.all(
    list
      .trim()
      .split('\n')
      .map((name) =>
        cluster.kubectl(
          'get',
          '--raw',
          `/api/v1/namespaces/${NAMESPACE}/pods/${name.replace('pod/', '')}:${port}/proxy/metrics`,
        ),
      ),
  )
}

function labels(reporter: string): string {
  const end = (side: string, name: string): Record<string, string> => ({
    [`${side}_workload`]: name,
    [`${side}_canonical_service`]: name,
    [`${side}_canonical_revision`]: 'latest',
    [`${side}_workload_namespace`]: SPACE,
    [`${side}_principal`]: `spiffe://cluster.local/ns/${SPACE}/sa/${name}`,
    [`${side}_app`]: name,
    [`${side}_version`]: 'latest',
    [`${side}_cluster`]: 'Kubernetes',
  })
  const all: Record<string, string> = {
    reporter,
    ...end('source', 'client'),
    destination_service: `web.${SPACE}.svc.cluster.local`,
    destination_service_namespace: SPACE,
    destination_service_name: 'web',
    ...end('destination', 'web'),
    request_protocol: 'tcp',
    response_flags: '-',
    connection_security_policy: 'mutual_tls',
    source_region: 'unknown',
    source_zone: 'unknown',
    destination_region: 'unknown',
    destination_zone: 'unknown',
  }
  return Object.entries(all)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',')
}

test.each(['source', 'destination'])(
  'the %s counts connections and bytes under every label, in order',
  async (reporter) => {
    for (const name of [
      'connections_opened_total',
      'connections_closed_total',
      'sent_bytes_total',
      'received_bytes_total',
    ]) {
      const series = `istio_tcp_${name}{${labels(reporter)}} `
      await cluster.waitFor(
        `${series}above 0`,
        async () => {
          const lines = (await metrics('ztunnel', 15020)).flatMap((text) => text.split('\n'))
          const line = lines.find((each) => each.startsWith(series))
          return line !== undefined && Number(line.slice(series.length)) > 0
        },
        30_000,
      )
    }
  },
)

test('both ends log the connection with every field, in order', async () => {
  const [clientIp, webIp] = await Promise.all(
    ['client', 'web'].map((name) =>
      cluster.kubectl('get', 'pod', '-n', SPACE, name, '-o', 'jsonpath={.status.podIP}'),
    ),
  )
  const end = (side: string, name: string): string =>
    `${side}.workload="${name}" ${side}.namespace="${SPACE}" ${side}.identity="spiffe://cluster.local/ns/${SPACE}/sa/${name}" ${side}.cluster="Kubernetes"`
  const fields = `src.addr=${clientIp}:PORT ${end('src', 'client')} dst.addr=${webIp}:15008 dst.hbone_addr=${webIp}:8080 dst.service="web.${SPACE}.svc.cluster.local" ${end('dst', 'web')}`
  const wanted = ['outbound', 'inbound'].map(
    (direction) => `${fields} direction="${direction}" bytes_sent=N bytes_recv=N duration="Nms"`,
  )
  const told: { lines: readonly string[] } = { lines: [] }
  await cluster
    .waitFor(
      'both ends to have logged it',
      async () => {
        const log = await cluster.kubectl('logs', '-n', NAMESPACE, '-l', 'app=ztunnel', '--tail=-1')
        told.lines = log
          .split('\n')
          .filter((line) => line.includes(`src.namespace="${SPACE}"`) && line.includes('connection complete'))
          .map(withoutNumbers)
        return wanted.every((line) => told.lines.includes(line))
      },
      30_000,
    )
    .catch(() => {})
  expect(told.lines).toEqual(expect.arrayContaining(wanted))
})

/** Fields of a line, with what differs from one connection to the next taken out. */
function withoutNumbers(line: string): string {
  return line
    .slice(line.indexOf('src.addr='))
    .trimEnd()
    .replace(/(src\.addr=[^ ]*):\d+/, '$1:PORT')
    .replace(/bytes_(sent|recv)=\d+/g, 'bytes_$1=N')
    .replace(/duration="\d+ms"/, 'duration="Nms"')
}

test('a refusal is logged with its reason and the policy, and counted where it is refused', async () => {
  await cluster.apply(`apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: ${SPACE} }
spec: { action: DENY, rules: [{}] }
`)
  await cluster.waitFor(
    'the client to be refused',
    async () => (await ask(cluster, CLIENT, WEB)) === undefined,
    30_000,
  )
  await cluster.waitFor(
    'a line with the policy',
    async () => {
      const lines = (await cluster.logs(NAMESPACE, 'app=ztunnel')).split('\n')
      return lines.some((line) =>
        [
          `dst.namespace="${SPACE}"`,
          'direction="inbound"',
          'error="connection closed due to policy rejection: explicitly denied by: ',
          `policy="${SPACE}/nobody"`,
        ].every((part) => line.includes(part)),
      )
    },
    30_000,
  )
  await cluster.delete('authorizationpolicy', '-n', SPACE, 'nobody')
})

test.each([
  { app: 'ztunnel', port: 15020, series: 'process_max_fds' },
  { app: 'istio-cni', port: 15014, series: 'ztunnel_connected' },
  { app: 'istiod', port: 15014, series: 'pilot_xds\\{version="[^"]*"\\}' },
])('every $app counts at port $port, and says who it is', async ({ app, port, series }) => {
  const texts = await metrics(app, port)
  for (const text of texts) expect(text).toMatch(/^istio_build\{component="\w+",tag="[^"]+"\} 1$/m)
  const values = texts.map((text) => Number(new RegExp(`^${series} (\\d+)$`, 'm').exec(text)?.[1]))
  expect(values.every((value) => value > 0)).toBe(true)
})
