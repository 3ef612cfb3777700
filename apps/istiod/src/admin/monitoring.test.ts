import { expect, test } from 'vitest'
import { AuthError, type Caller } from '../auth/caller.ts'
import { debugCommandNames, type DebugDeps } from '../debug/debug-commands.ts'
import { publishResources } from '../push/publish-resources.ts'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { meshState } from '../translate/mesh-state.ts'
import type { HttpRequest } from '@ambient/telemetry'
import { debugRoutes, monitoringRoutes } from './monitoring.ts'

const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
const zt = 'ztunnel~10.0.0.1~zt.istio-system~istio-system.svc.cluster.local'
const web = 'sidecar~10.0.0.2~web.shop~shop.svc.cluster.local'
const deps: DebugDeps = {
  fullNamespaces: ['istio-system'],
  clusterId: 'Kubernetes',
  remoteClusters: () => [],
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  systemNamespace: 'istio-system',
  state,
  published: publishResources(state),
  connections: () =>
    [zt, web].map((id) => ({
      id: `${id}-1`,
      node: { id, metadata: {} },
      identity: '',
      peer: '',
      connectedAtMs: 0,
      types: {},
      views: [],
    })),
  problems: () => [],
  clock: { monotonicMs: () => 0, nowMs: () => 0 },
}
const routes = debugRoutes({
  ...deps,
  verify: (authorization) =>
    authorization === undefined
      ? Promise.reject(new AuthError('TOKEN_MISSING', 'none'))
      : Promise.resolve({ namespace: authorization } as Caller),
})

test.each([
  {
    name: 'a dump to this machine',
    path: 'mesh',
    status: 200,
    body: /^\{"trustDomain":"cluster.local","trustDomainAliases":\[\],"rootNamespace":"istio-system",/,
  },
  {
    name: 'a dump with pretty lines',
    path: 'connections?pretty',
    status: 200,
    body: /^\{\n {4}"totalClients": 2,/,
  },
  { name: 'the list of dumps', path: 'list', status: 200, body: /"authorizationz","clusterz","config_dump"/ },
  { name: 'nothing under a name that is none', path: 'constructor', status: 404, body: /see \/debug\/list/ },
  { name: 'a dump to the root namespace', path: 'mesh', from: 'istio-system', status: 200 },
  { name: 'no dump to another namespace', path: 'mesh', from: 'shop', status: 403 },
  { name: 'no dump to a caller without token', path: 'mesh', from: '', status: 401 },
  { name: 'no dump of a proxy that is not named', path: 'config_dump', status: 400 },
  { name: 'no dump of a proxy that is not here', path: 'config_dump?proxyID=nobody', status: 404 },
  {
    name: 'a dump of its own proxy to a namespace',
    path: 'config_dump?proxyID=web.shop',
    from: 'shop',
    status: 200,
  },
  {
    name: 'no dump of another’s proxy',
    path: 'config_dump?proxyID=zt.istio-system',
    from: 'shop',
    status: 403,
  },
  {
    name: 'nothing about whether a proxy is here',
    path: 'config_dump?proxyID=nobody',
    from: 'shop',
    status: 403,
  },
  {
    name: 'clients of one namespace',
    path: 'syncz?namespace=shop',
    status: 200,
    body: /^\[\{[^}]*"web\.shop"[^{]*\{\}\}\]\n$/,
  },
])('debugRoutes() gives $name', async ({ path, from, status, body = /^/ }) => {
  const [name = '', search = ''] = path.split('?')
  const request: HttpRequest = {
    path: `/debug/${name}`,
    query: new URLSearchParams(search),
    isLoopback: from === undefined,
    authorization: from === '' ? undefined : from,
  }
  const answer = await routes['/debug/']?.(request)
  expect(answer?.status).toBe(status)
  if (typeof body === 'string') expect(answer?.body).toBe(body)
  else expect(answer?.body).toMatch(body)
})

test.each(debugCommandNames)(
  'debugRoutes() shows nothing of %s to callers from elsewhere without a token',
  async (name) => {
    const request = {
      path: `/debug/${name}`,
      query: new URLSearchParams(`proxyID=${web}`),
      authorization: undefined,
    }
    expect(await routes['/debug/']?.({ ...request, isLoopback: false })).toMatchObject({ status: 401 })
  },
)

test('debugRoutes() has a page that says what there is, for those who may see any of it', async () => {
  const request = { path: '/debug', query: new URLSearchParams(), authorization: undefined }
  const page = await routes['/debug']?.({ ...request, isLoopback: true })
  expect(page?.body).toMatch(/^\/debug\/syncz {2}What each client was sent/m)
  expect(await routes['/debug']?.({ ...request, isLoopback: false })).toMatchObject({ status: 401 })
})

test('monitoringRoutes() gives metrics and version to everybody', async () => {
  const metrics = { type: 'text/plain', body: 'm 1' }
  const given = monitoringRoutes({ version: '1.2.3', metrics: () => Promise.resolve(metrics) })
  const request = { path: '', query: new URLSearchParams(), isLoopback: false, authorization: undefined }
  expect(await given['/metrics']?.(request)).toEqual({ status: 200, ...metrics })
  expect(await given['/version']?.(request)).toEqual({ status: 200, body: '1.2.3\n' })
})
