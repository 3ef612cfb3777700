import { expect, test } from 'vitest'
import { AuthError, type Caller } from '../auth/caller.ts'
import { type HttpRequest, serveHttp } from './http-endpoint.ts'
import { monitoringRoutes } from './monitoring.ts'

test('serveHttp() answers by path, and with 500 only for the route that fails', async () => {
  const faults: unknown[] = []
  const routes = {
    '/ready': () => ({ status: 200, body: 'ready' }),
    '/tree/': ({ path }: HttpRequest) => ({ status: 200, body: path }),
    '/bad': () => Promise.reject(new Error('broken')),
  }
  await using endpoint = await serveHttp({ address: '127.0.0.1', port: 0 }, routes, (cause) =>
    faults.push(cause),
  )
  const get = async (path: string, method = 'GET'): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${endpoint.port}${path}`, { method })
    return `${response.status} ${await response.text()}`.trim()
  }
  expect(await get('/ready?x=1')).toBe('200 ready')
  expect(await get('/tree/a/b')).toBe('200 /tree/a/b')
  expect(await get('/bad')).toBe('500 internal error')
  expect(await get('/nowhere')).toBe('404 nothing at /nowhere')
  expect(await get('/ready', 'POST')).toBe('405 only GET')
  expect(String(faults)).toBe('Error: broken')
})

const local: HttpRequest = { path: '/debug/ambientz', isLoopback: true, authorization: undefined }
const verify = (authorization: string | undefined): Promise<Caller> =>
  authorization === undefined
    ? Promise.reject(new AuthError('TOKEN_MISSING', 'none'))
    : Promise.resolve({ namespace: authorization } as Caller)
const routes = monitoringRoutes({
  version: '1.2.3',
  rootNamespace: 'istio-system',
  metrics: () => Promise.resolve({ type: 'text/plain', body: 'm 1' }),
  verify,
  dumps: { ambientz: () => ({ addresses: [] }) },
})

test.each([
  { name: 'a dump to this machine', request: local, status: 200, body: '{\n  "addresses": []\n}\n' },
  {
    name: 'the list of dumps',
    request: { ...local, path: '/debug/list' },
    status: 200,
    body: '[\n  "/debug/ambientz"\n]\n',
  },
  {
    name: 'nothing under a name that is none',
    request: { ...local, path: '/debug/constructor' },
    status: 404,
    body: 'no dump "constructor"; see /debug/list\n',
  },
  {
    name: 'a dump to the root namespace',
    request: { ...local, isLoopback: false, authorization: 'istio-system' },
    status: 200,
  },
  {
    name: 'no dump to another namespace',
    request: { ...local, isLoopback: false, authorization: 'shop' },
    status: 403,
  },
  { name: 'no dump to a caller without token', request: { ...local, isLoopback: false }, status: 401 },
])('monitoringRoutes() gives $name', async ({ request, status, body }) => {
  const answer = await routes['/debug/']?.(request)
  expect(answer?.status).toBe(status)
  if (body !== undefined) expect(answer?.body).toBe(body)
})
