import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { meshFixture, subscribe, runIstiod } from './mesh-fixture.ts'

function pod(name: string, ip: string): string {
  return `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop}, spec: {nodeName: n}, status: {phase: Running, podIP: ${ip}}}\n`
}

test('startIstiod() sends the workloads of another cluster with its own, follows them, and says that it has read them', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cluster-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const put = (text: string): void => {
    writeFileSync(join(directory, '.put'), text)
    renameSync(join(directory, '.put'), join(directory, 'pods.yaml'))
  }
  put(pod('far', '10.1.0.1'))
  using fixture = await meshFixture(['--remote-config-dir', `other=${directory}`])
  fixture.put('near.yaml', pod('near', '10.0.0.1'))
  await using istiod = await runIstiod(fixture)
  const { securePort } = await istiod.serving
  await using client = subscribe(
    { port: () => securePort, rootPem: fixture.rootPem(), token: () => fixture.token() },
    fixture.logger,
  )
  const near = 'Kubernetes//Pod/shop/near'
  await waitFor('both workloads', () => client.addresses.size === 2)
  expect([...client.addresses.keys()].toSorted()).toEqual([near, 'other//Pod/shop/far'])
  put(pod('further', '10.1.0.2'))
  await waitFor('the other workload instead', () => client.addresses.has('other//Pod/shop/further'))
  await waitFor('the end of the first', () => !client.addresses.has('other//Pod/shop/far'))

  const get = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${istiod.monitoringPort}${path}`)).text()
  expect(JSON.parse(await get('/debug/clusterz'))).toEqual([
    { id: 'Kubernetes', syncStatus: 'synced' },
    { id: 'other', syncStatus: 'synced' },
  ])
  const metrics = await get('/metrics')
  expect(metrics).toContain('istiod_managed_clusters{cluster_type="remote"} 1')
  expect(metrics).toContain(
    'istiod_remote_cluster_sync_status{cluster="other",cluster_type="remote",status="synced"} 1',
  )
})
