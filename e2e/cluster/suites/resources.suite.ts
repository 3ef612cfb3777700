/** What the directory of YAML passes, on the cluster's real API server. */
import { randomBytes } from 'node:crypto'
import {
  ApiResources,
  kubeconfigAccess,
  type Manifest,
  type ResourceSetup,
  verifyResources,
} from '@ambient/kube'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import { afterAll, describe, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'

const kubeconfig = process.env['KUBECONFIG'] ?? ''
const cluster = new Cluster({ kubeconfig, path: process.env['PATH'] ?? '' })

afterAll(() => cluster.delete('node', 'node-a', 'node-b'))

async function open(namespace: string): Promise<ApiResources> {
  return new ApiResources({
    access: await kubeconfigAccess(kubeconfig),
    clock: systemClock,
    random: systemRandom,
    userAgent: 'ambient-e2e',
    namespace,
    report: (message) => expect.fail(message),
  })
}

/** Nobody may schedule or run what the checks put, and kubectl leaves no annotation of its own. */
async function putByUser(object: Manifest): Promise<void> {
  await cluster.must(
    ['kubectl', 'apply', '--server-side', '--force-conflicts', '--field-manager', 'user', '-f', '-'],
    JSON.stringify(object, (key, value: unknown) =>
      key === 'spec' && object.kind === 'Pod' ? unscheduled(value) : value,
    ),
  )
}

function unscheduled(spec: unknown): unknown {
  return { schedulerName: 'nobody', ...(typeof spec === 'object' ? spec : {}) }
}

/** A pod on a node that is not there would be collected. */
const NODES = ['node-a', 'node-b'].map((name) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } }))

async function openSetup(): Promise<ResourceSetup> {
  const namespace = `verify-${randomBytes(4).toString('hex')}`
  await cluster.kubectl('create', 'namespace', namespace)
  for (const node of NODES) await cluster.apply(JSON.stringify(node))
  // A pod needs an account, which the controller makes a moment later.
  await cluster.waitFor(
    'the default service account',
    async () =>
      (await cluster.run(['kubectl', 'get', 'serviceaccount', '-n', namespace, 'default'])).code === 0,
    20_000,
  )
  const [first, second] = await Promise.all([open(namespace), open(namespace)])
  return {
    first,
    second,
    namespace,
    put: (object) => putByUser(object),
    remove: async ({ kind, name }) => {
      await cluster.delete(kind, name, '-n', namespace, '--grace-period=0', '--force')
    },
    [Symbol.asyncDispose]: async () => {
      await first[Symbol.asyncDispose]()
      await second[Symbol.asyncDispose]()
      await cluster.delete('namespace', namespace, '--wait=false')
    },
  }
}

describe('ApiResources on a real API server', () => {
  verifyResources(test, openSetup)
})

test('has() tells the kinds that the API server knows from those it does not', async () => {
  await using resources = await open('default')
  expect(await resources.has('AuthorizationPolicy')).toBe(true)
  expect(await resources.has('Gateway')).toBe(false)
})

test.each([
  {
    what: 'a policy with two selectors',
    says: 'only one of selector, targetRef, targetRefs can be set',
    yaml: `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: bad, namespace: default }
spec: { selector: { matchLabels: { a: b } }, targetRefs: [{ kind: Service, name: x }] }`,
  },
  {
    what: 'port modes without a selector',
    says: 'portLevelMtls requires selector',
    yaml: `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: bad, namespace: default }
spec: { portLevelMtls: { '80': { mode: STRICT } } }`,
  },
  {
    what: 'a mode that nobody knows',
    says: 'Unsupported value',
    yaml: `apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: { name: bad, namespace: default }
spec: { mtls: { mode: SOMETIMES } }`,
  },
  {
    what: 'an entry without hosts',
    says: 'spec.hosts',
    yaml: `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bad, namespace: default }
spec: { ports: [{ number: 80, name: http }] }`,
  },
  {
    what: 'endpoints without resolution',
    says: 'NONE mode cannot set endpoints',
    yaml: `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bad, namespace: default }
spec: { hosts: [a.test], ports: [{ number: 80, name: http }], endpoints: [{ address: 1.2.3.4 }] }`,
  },
])('the API server refuses $what', async ({ yaml, says }) => {
  const { code, stderr } = await cluster.run(['kubectl', 'apply', '-f', '-'], yaml)
  expect(stderr).toContain(says)
  expect(code).toBe(1)
})
