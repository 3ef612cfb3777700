import { once } from 'node:events'
import { type Agent, request } from 'node:https'
import { text } from 'node:stream/consumers'
import { beforeAll, afterAll, expect, test } from 'vitest'
import type { Istiod } from '../src/istiod.ts'
import { WEBHOOK_LIMITS } from '../src/webhook/webhook-limits.ts'
import { meshFixture, type MeshFixture, runIstiod } from './mesh-fixture.ts'

let fixture: MeshFixture
let istiod: Istiod
let port: number

beforeAll(async () => {
  fixture = await meshFixture(['--webhook-port', '0'], { VALIDATION_WEBHOOK_CONFIG_NAME: 'istio-validator' })
  istiod = await runIstiod(fixture)
  port = (await istiod.serving).webhookPort ?? 0
})
afterAll(async () => {
  await istiod[Symbol.asyncDispose]()
  fixture[Symbol.dispose]()
})

interface Question {
  readonly method?: string
  readonly path?: string
  readonly type?: string
  readonly body?: string
  readonly length?: number
  readonly servername?: string
  readonly agent?: Agent
}

/** Asks as the API server does: over TLS, by the name of the service, trusting the bundle alone. */
async function ask(
  question: Question,
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const { method = 'POST', path = '/validate?timeout=5s', type = 'application/json', body = '' } = question
  const sent = request({
    host: '127.0.0.1',
    port,
    servername: question.servername ?? 'istiod.istio-system.svc',
    ca: fixture.rootPem(),
    agent: false,
    method,
    path,
    headers: { 'content-type': type, 'content-length': question.length ?? Buffer.byteLength(body) },
  })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [Parameters<typeof text>[0] & { statusCode?: number }]
  return { status: response.statusCode, body: await text(response) }
}

function review(spec: object): string {
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u-7',
      operation: 'CREATE',
      resource: { group: 'security.istio.io', version: 'v1', resource: 'peerauthentications' },
      object: {
        apiVersion: 'security.istio.io/v1',
        kind: 'PeerAuthentication',
        metadata: { name: 'default', namespace: 'shop' },
        spec,
      },
    },
  })
}

test('startIstiod() answers reviews under the name of its service, and counts them', async () => {
  const good = await ask({ body: review({ mtls: { mode: 'STRICT' } }) })
  expect(JSON.parse(good.body)).toEqual({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'u-7', allowed: true },
  })
  const bad = await ask({ body: review({ mtls: { mode: 'STRIKT' } }) })
  expect(bad.status).toBe(200)
  expect(JSON.parse(bad.body)).toMatchObject({ response: { uid: 'u-7', allowed: false } })
  const metrics = await (await fetch(`http://127.0.0.1:${istiod.monitoringPort}/metrics`)).text()
  const labels = 'group="security.istio.io",version="v1",resource="peerauthentications"'
  expect(metrics).toContain(`galley_validation_passed{${labels}} 1`)
  expect(metrics).toContain(`galley_validation_failed{${labels},reason="invalid_resource"} 1`)
  expect(fixture.lines.some((line) => line.includes('spec.mtls.mode must be'))).toBe(true)
})

test.each<Question & { name: string; status: number }>([
  { name: 'another path', path: '/other', status: 404 },
  { name: 'another method', method: 'PUT', status: 405 },
  { name: 'another type', type: 'text/plain', status: 415 },
  { name: 'more than a review may have', length: WEBHOOK_LIMITS.reviewBytes.value + 1, status: 413 },
  { name: 'what is no JSON', body: '{', status: 400 },
  { name: 'what is no review', body: '{"apiVersion":"v1","kind":"Pod"}', status: 400 },
])('the webhook answers $status to $name', async ({ status, ...question }) => {
  expect((await ask(question)).status).toBe(status)
  const metrics = await (await fetch(`http://127.0.0.1:${istiod.monitoringPort}/metrics`)).text()
  expect(metrics).toContain(`galley_validation_http_error{status="${status}"}`)
})

test('the webhook has no certificate for another name', async () => {
  await expect(ask({ servername: 'istiod.other.svc' })).rejects.toThrow(/altnames/)
})
