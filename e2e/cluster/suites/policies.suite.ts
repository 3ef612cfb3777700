/** L4 policy of every kind, and its removal; STRICT and PERMISSIVE, by namespace, workload and port. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { NAMESPACE } from '../install.ts'
import { ask, enrolled, shop } from '../shop.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'policies'
const OUTSIDE = 'policies-outside'
const SELECTOR = 'selector: { matchLabels: { app: web } }'
/** Who asks: two accounts of the mesh, and one that is outside of it. */
const ASKERS = [`${SPACE}/client`, `${SPACE}/other`, `${OUTSIDE}/client`] as const
const EVERYBODY = 'yes yes yes'

beforeAll(async () => {
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.apply(shop(OUTSIDE))
  await cluster.podsReady(SPACE, 'app')
  await cluster.podsReady(OUTSIDE, 'app')
  await enrolled(cluster, SPACE)
  await becomes(EVERYBODY)
})
afterAll(async () => {
  await cluster.kubectl('scale', '-n', NAMESPACE, 'deploy/istiod', '--replicas=1')
  await cluster.kubectl('rollout', 'status', '-n', NAMESPACE, 'deploy/istiod', '--timeout=120s')
  await cluster.delete('authorizationpolicy', '-n', NAMESPACE, 'case')
  await cluster.delete('namespace', SPACE, OUTSIDE, '--wait=false')
})

/** Whether each of them is answered on port 80: `yes no yes`. */
async function answers(): Promise<string> {
  const seen = await Promise.all(ASKERS.map((asker) => ask(cluster, asker, `http://web.${SPACE}/`)))
  return seen.map((answer) => (answer === undefined ? 'no' : 'yes')).join(' ')
}

/** @param wanted Who is answered: client, other, and the one outside of the mesh. */
async function becomes(wanted: string): Promise<void> {
  const told: { last: string } = { last: '' }
  await cluster
    .waitFor(`answers to be ${wanted}`, async () => (told.last = await answers()) === wanted, 60_000)
    .catch(() => {})
  expect(told.last).toBe(wanted)
}

function policy(spec: string, namespace = SPACE): string {
  return security('AuthorizationPolicy', spec, namespace)
}

function peer(spec: string): string {
  return security('PeerAuthentication', spec, SPACE)
}

function security(kind: string, spec: string, namespace: string): string {
  return `apiVersion: security.istio.io/v1
kind: ${kind}
metadata: { name: case, namespace: ${namespace} }
spec: ${spec}
`
}

const PRINCIPAL = `principals: ["cluster.local/ns/${SPACE}/sa/client"]`

test.each([
  {
    what: 'ALLOW by principal',
    object: policy(`{ ${SELECTOR}, rules: [{ from: [{ source: { ${PRINCIPAL} } }] }] }`),
    wanted: 'yes no no',
  },
  {
    what: 'ALLOW by namespace',
    object: policy(`{ rules: [{ from: [{ source: { namespaces: [${SPACE}] } }] }] }`),
    wanted: 'yes yes no',
  },
  {
    what: 'DENY by principal',
    object: policy(`{ action: DENY, rules: [{ from: [{ source: { ${PRINCIPAL} } }] }] }`),
    wanted: 'no yes yes',
  },
  {
    what: 'DENY of all who have no identity',
    object: policy(`{ action: DENY, rules: [{ from: [{ source: { notPrincipals: ["*"] } }] }] }`),
    wanted: 'yes yes no',
  },
  {
    what: 'DENY by port, of the pod and not of the service',
    object: policy('{ action: DENY, rules: [{ to: [{ operation: { ports: ["8080"] } }] }] }'),
    wanted: 'no no no',
  },
  {
    what: 'DENY of another port',
    object: policy('{ action: DENY, rules: [{ to: [{ operation: { ports: ["80"] } }] }] }'),
    wanted: EVERYBODY,
  },
  {
    what: 'ALLOW of nobody',
    object: policy('{}'),
    wanted: 'no no no',
  },
  {
    what: 'ALLOW of addresses that nobody has',
    object: policy('{ rules: [{ from: [{ source: { ipBlocks: [192.0.2.0/24] } }] }] }'),
    wanted: 'no no no',
  },
  {
    what: 'DENY for the whole mesh',
    object: policy(`{ action: DENY, rules: [{ from: [{ source: { ${PRINCIPAL} } }] }] }`, NAMESPACE),
    wanted: 'no yes yes',
  },
  { what: 'STRICT of the namespace', object: peer('{ mtls: { mode: STRICT } }'), wanted: 'yes yes no' },
  {
    what: 'PERMISSIVE of the namespace',
    object: peer('{ mtls: { mode: PERMISSIVE } }'),
    wanted: EVERYBODY,
  },
  {
    what: 'STRICT at one port of the workload',
    object: peer(`{ ${SELECTOR}, mtls: { mode: PERMISSIVE }, portLevelMtls: { '8080': { mode: STRICT } } }`),
    wanted: 'yes yes no',
  },
  {
    what: 'STRICT but for one port of the workload',
    object: peer(`{ ${SELECTOR}, mtls: { mode: STRICT }, portLevelMtls: { '8080': { mode: PERMISSIVE } } }`),
    wanted: EVERYBODY,
  },
])('$what lets $wanted through, and taken away everybody', async ({ object, wanted }) => {
  await cluster.apply(object)
  await becomes(wanted)
  await cluster.must(['kubectl', 'delete', '-f', '-'], object)
  await becomes(EVERYBODY)
})

test('the status says that a policy is in force, and what of it cannot be', async () => {
  const { stderr } = await cluster.run(
    ['kubectl', 'apply', '-f', '-'],
    policy('{ action: DENY, rules: [{ to: [{ operation: { methods: [GET], ports: ["8080"] } }] }] }'),
  )
  expect(stderr).toContain('Warning: ztunnel sees no HTTP. rules[0] has methods')
  const status = await cluster.waitFor(
    'a condition',
    () =>
      cluster.kubectl(
        'get',
        'authorizationpolicy',
        '-n',
        SPACE,
        'case',
        '-o',
        'jsonpath={.status.conditions[?(@.type=="ZtunnelAccepted")].reason}',
      ),
    30_000,
  )
  expect(status).toBe('UnsupportedValue')
  await cluster.delete('authorizationpolicy', '-n', SPACE, 'case')
})

/** What no schema can tell. */
const INVALID = policy('{ rules: [{ from: [{ source: { ipBlocks: [nowhere] } }] }] }')

test('the webhook refuses what the definitions let through, in words', async () => {
  const { code, stderr } = await cluster.run(['kubectl', 'apply', '-f', '-'], INVALID)
  expect(stderr).toContain('admission webhook "validation.istio.io" denied the request: Cannot read')
  expect(code).toBe(1)
})

test('with no istiod to ask, the API server keeps what the webhook would have refused, and nothing opens', async () => {
  await cluster.kubectl('scale', '-n', NAMESPACE, 'deploy/istiod', '--replicas=0')
  await cluster.waitFor(
    'istiod to be gone',
    async () =>
      (await cluster.kubectl('get', 'pods', '-n', NAMESPACE, '-l', 'app=istiod', '-o', 'name')) === '',
    90_000,
  )
  await cluster.apply(INVALID)
  await cluster.kubectl('scale', '-n', NAMESPACE, 'deploy/istiod', '--replicas=1')
  await becomes('no no no')
  await cluster.delete('authorizationpolicy', '-n', SPACE, 'case')
  await becomes(EVERYBODY)
}, 300_000)
