import { objectsFromYaml } from '@ambient/kube'
import { expect, test } from 'vitest'
import { WebhookRoots } from './webhook-roots.ts'

const NAME = 'istio-validator-istio-system'
const BUNDLE = Buffer.from('ROOT').toString('base64')

function configuration(...bundles: readonly string[]): Parameters<WebhookRoots['take']>[0] {
  const webhooks = bundles.map((caBundle, index) => ({ name: `w${index}`, clientConfig: { caBundle } }))
  const metadata = { name: NAME }
  const kind = 'ValidatingWebhookConfiguration'
  const text = JSON.stringify({ apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata, webhooks })
  const [object] = objectsFromYaml(text)
  if (object === undefined) throw new Error('one object is written')
  return object
}

test('WebhookRoots asks for the bundle of each webhook, and for nothing once it is there', () => {
  let pem = 'ROOT'
  const place = new WebhookRoots(NAME, () => pem)
  expect(place.missing()).toEqual([])
  expect(place.take(configuration('', BUNDLE), false)).toBe(true)
  const [write] = place.missing()
  expect(write?.object).toEqual({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: NAME },
    webhooks: ['w0', 'w1'].map((name) => ({ name, clientConfig: { caBundle: BUNDLE } })),
  })
  write?.onWritten()
  expect(place.missing()).toEqual([])
  pem = 'ROOT 2'
  expect(place.missing()).toHaveLength(1)
})

test('WebhookRoots never makes a configuration that somebody took away', () => {
  const place = new WebhookRoots(NAME, () => 'ROOT')
  place.take(configuration(''), false)
  expect(place.take(configuration(''), true)).toBe(false)
  expect(place.missing()).toEqual([])
})
