import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { getEventListeners } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '@ambient/lifecycle'
import { expect, test } from 'vitest'
import { ApiResources, inClusterAccess, kubeconfigAccess, type WatchEvent } from '../src/index.ts'
import { event, json, list, pod, type Script, ScriptedApi } from './scripted-api.ts'

/** Backs off without waiting for it. */
const hasty: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 1), signal) }
const random = { float: () => 0.5, bytes: (count: number) => new Uint8Array(count) }

interface Opened extends AsyncDisposable {
  readonly api: ScriptedApi
  readonly resources: ApiResources
  readonly reports: string[]
}

async function open(script: Script, silenceMs = 60_000): Promise<Opened> {
  const api = await ScriptedApi.open(script)
  const reports: string[] = []
  const resources = new ApiResources({
    access: { origin: api.origin, tls: {}, authorization: () => Promise.resolve('Bearer secret') },
    clock: hasty,
    random,
    userAgent: 'ambient-test',
    namespace: 'istio-system',
    silenceMs,
    report: (message) => reports.push(message),
  })
  return {
    api,
    resources,
    reports,
    [Symbol.asyncDispose]: async () => {
      await resources[Symbol.asyncDispose]()
      await api[Symbol.asyncDispose]()
    },
  }
}

/** Follows a watch until `isEnough`, and ends it. */
async function follow(
  resources: ApiResources,
  isEnough: (told: readonly string[]) => boolean,
): Promise<readonly string[]> {
  const ended = new AbortController()
  const told: string[] = []
  for await (const each of resources.watch('Pod', ended.signal)) {
    told.push(textOf(each))
    if (isEnough(told)) ended.abort()
  }
  expect(getEventListeners(ended.signal, 'abort')).toHaveLength(0)
  return told
}

function textOf(each: WatchEvent): string {
  return each.type === 'synced'
    ? 'synced'
    : `${each.type} ${each.object.metadata.name} ${each.object.metadata.resourceVersion}`
}

test('list() asks page by page, says who asks, and drops who changed what', async () => {
  await using opened = await open(({ query }, response) =>
    query.get('continue') === 'more'
      ? json(response, 200, list([pod('b', 2)], 9))
      : json(response, 200, list([pod('a', 1)], 9, 'more')),
  )
  const pods = await opened.resources.list('Pod', {
    namespace: 'shop',
    fieldSelector: { 'spec.nodeName': 'node1' },
    labelSelector: {
      matchLabels: { app: 'web' },
      matchExpressions: [{ operator: 'NotIn', key: 'tier', values: ['x', 'y'] }],
    },
  })
  expect(pods.map(({ metadata }) => metadata.name)).toEqual(['a', 'b'])
  expect(JSON.stringify(pods)).not.toContain('managedFields')
  const [first] = opened.api.requests
  expect(first?.path).toBe('/api/v1/namespaces/shop/pods')
  expect(Object.fromEntries(first?.query ?? [])).toEqual({
    fieldSelector: 'spec.nodeName=node1',
    labelSelector: 'app=web,tier notin (x,y)',
    limit: '500',
  })
  expect(first?.headers).toMatchObject({ authorization: 'Bearer secret', 'user-agent': 'ambient-test' })
})

test('list() begins again when the rest of a list has expired', async () => {
  let isStale = true
  await using opened = await open(({ query }, response) => {
    if (query.get('continue') === null) return json(response, 200, list([pod('a', 1)], 9, 'more'))
    if (!isStale) return json(response, 200, list([pod('b', 2)], 9))
    isStale = false
    return json(response, 410, { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' })
  })
  expect(await opened.resources.list('Pod')).toHaveLength(2)
})

test('list() asks a busy API server again, and not without end', async () => {
  let refusals = 2
  await using opened = await open((_, response) =>
    refusals-- > 0
      ? json(response, 429, { kind: 'Status', message: 'slow down' })
      : json(response, 200, list([], 1)),
  )
  expect(await opened.resources.list('Pod')).toEqual([])
  refusals = 1000
  await expect(opened.resources.list('Pod')).rejects.toMatchObject({
    code: 'API_UNAVAILABLE',
    message: 'Cannot GET /api/v1/pods: the API server answered 429: slow down',
  })
  expect(opened.api.requests).toHaveLength(3 + 5)
})

test('list() says at once what the API server does not allow', async () => {
  await using opened = await open((_, response) => json(response, 403, { message: 'pods is forbidden' }))
  await expect(opened.resources.list('Pod')).rejects.toMatchObject({ code: 'API_REFUSED', status: 403 })
  expect(opened.api.requests).toHaveLength(1)
})

test('watch() goes on from where it was when the API server ends it', async () => {
  let watches = 0
  await using opened = await open(({ query }, response) => {
    if (query.get('watch') === null) return json(response, 200, list([pod('a', 1)], 5))
    watches += 1
    if (watches === 1) return response.end(event('BOOKMARK', pod('', 7)) + event('MODIFIED', pod('a', 8)))
    return response.write(event('DELETED', pod('a', 9)))
  })
  expect(await follow(opened.resources, (told) => told.length === 4)).toEqual([
    'added a 1',
    'synced',
    'modified a 8',
    'deleted a 8',
  ])
  const versions = opened.api.requests.map(({ query }) => query.get('resourceVersion'))
  expect(versions).toEqual([null, '5', '8'])
})

test('watch() lists anew when its place is forgotten, and tells what it missed', async () => {
  let lists = 0
  await using opened = await open(({ query }, response) => {
    if (query.get('watch') === null) {
      lists += 1
      return json(
        response,
        200,
        lists === 1 ? list([pod('a', 1), pod('b', 2)], 5) : list([pod('b', 6), pod('c', 7)], 8),
      )
    }
    if (lists === 1)
      return response.end(event('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'gone' }))
    return response.flushHeaders()
  })
  const told = await follow(opened.resources, (seen) => seen.length === 6)
  expect(told.slice(0, 3)).toEqual(['added a 1', 'added b 2', 'synced'])
  expect(told.slice(3).toSorted()).toEqual(['added c 7', 'deleted a 1', 'modified b 6'])
  expect(opened.reports).toEqual([])
})

test('watch() of a kind that the API server does not have is empty, and finds it when it comes', async () => {
  let isThere = false
  await using opened = await open(({ query }, response) => {
    if (!isThere) {
      isThere = true
      return json(response, 404, { message: 'the server could not find the requested resource' })
    }
    if (query.get('watch') === null) return json(response, 200, list([pod('a', 1)], 5))
    return response.flushHeaders()
  })
  expect(await follow(opened.resources, (told) => told.length === 2)).toEqual(['synced', 'added a 1'])
})

test('watch() keeps what it knows while the API server is away, and reports it once', async () => {
  let isAway = false
  let failures = 0
  await using opened = await open(({ query }, response) => {
    if (isAway && failures++ < 8) return response.destroy()
    if (query.get('watch') === null) return json(response, 200, list([pod('a', 1)], 5))
    if (isAway) return response.write(event('MODIFIED', pod('a', 6)))
    isAway = true
    return response.end()
  })
  expect(await follow(opened.resources, (told) => told.length === 3)).toEqual([
    'added a 1',
    'synced',
    'modified a 6',
  ])
  expect(new Set(opened.reports).size).toBe(opened.reports.length)
  expect(opened.reports[0]).toContain('what was read last stays in force')
})

test('watch() opens a silent watch again', async () => {
  let watches = 0
  const script: Script = ({ query }, response) => {
    if (query.get('watch') === null) return json(response, 200, list([pod('a', 1)], 5))
    watches += 1
    return watches > 1 ? response.write(event('MODIFIED', pod('a', 6))) : response.flushHeaders()
  }
  await using opened = await open(script, 50)
  expect(await follow(opened.resources, (told) => told.length === 3)).toEqual([
    'added a 1',
    'synced',
    'modified a 6',
  ])
  // On a busy machine the second one may be silent for as long as well.
  expect([...new Set(opened.reports)]).toEqual(['watch of Pod was silent for 50 ms and is opened again'])
})

test('applyAnnotations() writes a pod’s by its status, and names the incarnation it means', async () => {
  await using opened = await open((_, response) =>
    json(response, 409, { reason: 'Conflict', message: 'uid' }),
  )
  const ref = { kind: 'Pod', namespace: 'shop', name: 'a', uid: 'u1' } as const
  await expect(
    opened.resources.applyAnnotations(ref, { x: '1', y: null }, { owner: 'me' }),
  ).rejects.toMatchObject({ code: 'OBJECT_REPLACED' })
  expect(opened.api.requests[0]).toMatchObject({
    method: 'PATCH',
    path: '/api/v1/namespaces/shop/pods/a/status',
    body: { metadata: { uid: 'u1', annotations: { x: '1', y: null } } },
  })
  expect(opened.api.requests[0]?.headers['content-type']).toBe('application/merge-patch+json')
})

test('inClusterAccess() reads the token anew each time, and says what is missing', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kube-sa-'))
  try {
    expect(() => inClusterAccess({}, directory)).toThrow('KUBERNETES_SERVICE_HOST is not set')
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }
    expect(() => inClusterAccess(environment, directory)).toThrow('ca.crt')
    writeFileSync(join(directory, 'ca.crt'), 'CA')
    writeFileSync(join(directory, 'token'), 'one\n')
    const access = inClusterAccess(environment, directory)
    expect(access).toMatchObject({ origin: 'https://[fd00::1]:6443', tls: { ca: 'CA' } })
    expect(await access.authorization()).toBe('Bearer one')
    writeFileSync(join(directory, 'token'), 'two')
    expect(await access.authorization()).toBe('Bearer two')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('kubeconfigAccess() takes server and token from the current context, and names a file it cannot use', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kube-config-'))
  const file = join(directory, 'config')
  try {
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443' } }],
        users: [{ name: 'u', user: { token: 'abc' } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    )
    const access = await kubeconfigAccess(file)
    expect(access.origin).toBe('https://127.0.0.1:6443')
    expect(await access.authorization()).toBe('Bearer abc')
    await expect(kubeconfigAccess(join(directory, 'none'))).rejects.toThrow('Cannot use kubeconfig')
  } finally {
    rmSync(directory, { recursive: true })
  }
})
