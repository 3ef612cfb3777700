import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkJson, testCa, wholePolicy, wholeService, wholeWorkload } from '@ambient/testkit'
import { parseSpiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { readConfig } from '../config.ts'
import { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { dumpCertificates } from '../svid/dump-certificates.ts'
import type { LiveConnection } from '../worker/messages.ts'
import { PodRegistry } from '../pods/pod-registry.ts'
import { configDump } from './config-dump.ts'
import { shownConfig } from './shown-config.ts'

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'schemas', 'config_dump.json'), 'utf8'),
) as object
const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')

const live: LiveConnection = {
  direction: 'inbound',
  src: '10.0.0.1:4711',
  originalDst: '10.0.0.2:8080',
  actualDst: '10.0.0.2:15008',
  protocol: 'HBONE',
  sourceIdentity: 'spiffe://cluster.local/ns/shop/sa/client',
  destinationIdentity: id,
  admittedBy: 'shop/only-client',
  ageMs: 12,
  sentBytes: 3,
  receivedBytes: 4,
}

test('configDump() is what its schema says, with every field of it filled', async () => {
  const snapshot = new MeshSnapshot()
  if (wholeWorkload.kind !== 'workload' || wholeService.kind !== 'service') throw new Error('mixed up')
  const staged = { ...wholeWorkload.workload, uid: 'staged', services: { 'shop/not-here': [] } }
  snapshot.apply({
    addresses: {
      upserts: [wholeWorkload, wholeService, { kind: 'workload', workload: staged }],
      removed: [],
    },
    policies: { upserts: [wholePolicy], removed: [] },
  })
  const registry = new PodRegistry({
    start: () => Promise.resolve(undefined),
    stop: () => Promise.resolve(),
    netnsId: () => ({ dev: 1, inode: 2 }),
    closeDescriptor: () => {},
    onChange: () => {},
  })
  await registry.add('uid-1', { name: 'web-1', namespace: 'shop', serviceAccount: 'web' }, 3)
  const { certificateChainPem, privateKeyPem, rootsPem: trustBundlePem } = await (await testCa()).issue({})
  const svid = { id, certificateChainPem, privateKeyPem, trustBundlePem, notBeforeMs: 0, notAfterMs: 1 }
  const config = readConfig(
    { NODE_NAME: 'node1', AUTH_TOKEN: 'eyJ.token', XDS_HEADER_KEY: 'eyJ.key' },
    { cpus: 2, proxyConfig: {}, fileExists: () => false, resolvConf: 'nameserver 10.96.0.10' },
  )
  const dump = configDump({
    snapshot,
    pods: registry.pods,
    localMesh: { workloads: [] },
    certificates: dumpCertificates([{ id, state: { kind: 'available', svid } }]),
    workers: [
      {
        pods: { 'uid-1': [live, { ...live, direction: 'outbound' }] },
        loop: { turns: 1, events: 1, emptyTurns: 1, faults: 0 },
        sessions: 1,
      },
    ],
    refusals: [
      {
        time: '2026-03-04T05:06:07.089Z',
        direction: 'inbound',
        src: '10.0.0.1:4711',
        dst: '10.0.0.2:15008',
        reason: 'POLICY_DENIED',
        responseFlags: 'DENY',
        error: 'explicitly denied',
        policy: 'shop/deny',
      },
    ],
    config: shownConfig(config),
    version: { version: '1.30' },
  })
  const text = JSON.stringify(dump)
  expect(checkJson(schema, JSON.parse(text))).toEqual({ problems: [], unused: [] })
  expect(text).not.toContain('PRIVATE KEY')
  expect(text).not.toContain('eyJ')
})
