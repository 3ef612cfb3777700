import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuthoritySource, SelfSignedSource } from '@ambient/ca'
import { ApiError, isRecord } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { afterAll, expect, test } from 'vitest'
import { SecretSource, type SecretSourceOptions } from './secret-source.ts'

const scratch = mkdtempSync(join(tmpdir(), 'secret-source-'))
afterAll(() => rmSync(scratch, { recursive: true }))
const YEAR_MS = 365 * 86_400_000

/** One Secret, as an API server would keep it: who comes second is told so. */
function secretStore() {
  const store: { secret?: Readonly<Record<string, unknown>>; refuses?: Error } = {}
  const conflict = (): ApiError =>
    new ApiError('API_CONFLICT', 'AlreadyExists', { status: 409, reason: 'AlreadyExists' })
  const api: SecretSourceOptions['api'] = {
    read: () => (store.refuses === undefined ? Promise.resolve(store.secret) : Promise.reject(store.refuses)),
    create: (_path, body) => {
      if (store.secret !== undefined) return Promise.reject(conflict())
      return Promise.resolve((store.secret = recordOf(body)))
    },
    replace: (_path, body) => Promise.resolve((store.secret = recordOf(body))),
  }
  return { store, api }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}

let replicas = 0
function replica(api: SecretSourceOptions['api'], clock: { nowMs(): number } = systemClock) {
  const directory = join(scratch, `replica-${++replicas}`)
  const failures: unknown[] = []
  const inner: AuthoritySource = new SelfSignedSource({ directory, trustDomain: 'cluster.local', clock })
  const source = new SecretSource({
    api,
    namespace: 'istio-system',
    directory,
    inner,
    onFailure: (cause) => failures.push(cause),
  })
  return { source, failures }
}

test('open() makes the Secret once, and every replica has its root, also one that comes later', async () => {
  const { api, store } = secretStore()
  const [one, two] = await Promise.all([replica(api).source.open(), replica(api).source.open()])
  const three = await replica(api).source.open()
  expect(two.rootsPem).toBe(one.rootsPem)
  expect(three.rootsPem).toBe(one.rootsPem)
  expect(store.secret).toMatchObject({ type: 'istio.io/ca-root', metadata: { name: 'istio-ca-secret' } })
})

test('refresh() puts a successor into the Secret, and another replica takes it over', async () => {
  const { api } = secretStore()
  let nowMs = Date.now()
  const clock = { nowMs: () => nowMs }
  const [one, two] = [replica(api, clock), replica(api, clock)]
  const [before, other] = [await one.source.open(), await two.source.open()]
  nowMs += 9 * YEAR_MS
  const after = await one.source.refresh(before)
  expect(after.rootsPem).not.toBe(before.rootsPem)
  expect((await two.source.refresh(other)).rootsPem).toBe(after.rootsPem)
})

test('open() fails without an API server, and refresh() keeps what is in force', async () => {
  const { api, store } = secretStore()
  const { source, failures } = replica(api)
  const before = await source.open()
  store.refuses = new Error('connection refused')
  expect(await source.refresh(before)).toBe(before)
  expect(failures).toHaveLength(1)
  await expect(replica(api).source.open()).rejects.toThrow('connection refused')
})
