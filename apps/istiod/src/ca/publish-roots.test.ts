import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeRef, FileResources, objectsFromYaml } from '@ambient/kube'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import { waitFor } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { NamespaceRoots, type TrustMaps } from './namespace-roots.ts'
import { publishRoots } from './publish-roots.ts'

test('publishRoots() puts the bundle into every namespace, follows a new bundle, and repairs what somebody takes away', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'publish-roots-'))
  const put = (name: string, labels = '{}'): void => {
    const text = `{apiVersion: v1, kind: Namespace, metadata: {name: ${name}, labels: ${labels}}}`
    writeFileSync(join(directory, '.put'), text)
    renameSync(join(directory, '.put'), join(directory, `${name}.yaml`))
  }
  put('shop')
  put('kube-public')
  put('left-out', '{mesh: no}')
  const resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  const ended = new AbortController()
  let maps: TrustMaps['maps'] = { 'istio-ca-root-cert': 'ROOT 1', 'istio-ca-crl': undefined }
  let next = Promise.withResolvers<void>()
  const failures: string[] = []
  const trust = (): TrustMaps => ({ maps, isWanted: (_, { mesh }) => mesh !== 'no' })
  const running = publishRoots(
    {
      place: new NamespaceRoots(trust, []),
      source: resources,
      writer: resources,
      clock: systemClock,
      random: systemRandom,
      changed: () => next.promise,
      onWritten: () => {},
      onFailure: (ref, cause) => failures.push(`${describeRef(ref)}: ${String(cause)}`),
    },
    ended.signal,
  )
  const seen = async (): Promise<string> => {
    const found = await resources.list('ConfigMap')
    return found
      .map(({ metadata, data }) => `${metadata.namespace} ${JSON.stringify(data)}`)
      .toSorted()
      .join(' ')
  }
  const becomes = (text: string): Promise<unknown> =>
    waitFor(`the config maps to be ${text}`, async () => (await seen()) === text, { deadlineMs: 5_000 })
  try {
    await becomes('shop {"root-cert.pem":"ROOT 1"}')
    put('bank')
    await becomes('bank {"root-cert.pem":"ROOT 1"} shop {"root-cert.pem":"ROOT 1"}')
    maps = { ...maps, 'istio-ca-root-cert': 'ROOT 2' }
    next.resolve()
    next = Promise.withResolvers()
    await becomes('bank {"root-cert.pem":"ROOT 2"} shop {"root-cert.pem":"ROOT 2"}')
    const ref = { kind: 'ConfigMap', namespace: 'shop', name: 'istio-ca-root-cert' } as const
    await resources.delete(ref, { owner: 'istio-ca-root-cert' })
    await becomes('bank {"root-cert.pem":"ROOT 2"} shop {"root-cert.pem":"ROOT 2"}')
    maps = { ...maps, 'istio-ca-crl': 'LIST' }
    next.resolve()
    next = Promise.withResolvers()
    const shop = 'shop {"ca-crl.pem":"LIST"} shop {"root-cert.pem":"ROOT 2"}'
    await becomes(`bank {"ca-crl.pem":"LIST"} bank {"root-cert.pem":"ROOT 2"} ${shop}`)
    unlinkSync(join(directory, 'bank.yaml'))
    expect(failures).toEqual([])
  } finally {
    ended.abort()
    await running
    await resources[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  }
})

test('NamespaceRoots says what its ConfigMaps belong to', () => {
  const owner = { apiVersion: 'v1', kind: 'ClusterRole', name: 'istiod', uid: 'u', controller: false }
  const maps = { 'istio-ca-root-cert': 'ROOT', 'istio-ca-crl': undefined }
  const place = new NamespaceRoots(() => ({ maps, isWanted: () => true }), [owner])
  const [namespace] = objectsFromYaml('{apiVersion: v1, kind: Namespace, metadata: {name: shop}}')
  if (namespace !== undefined) place.take(namespace, false)
  expect(place.missing().map(({ object }) => object.metadata.ownerReferences)).toEqual([[owner]])
})
