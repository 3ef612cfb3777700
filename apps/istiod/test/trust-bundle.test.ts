import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { CRL_FILE } from '@ambient/ca'
import { CaClient } from '@ambient/ca-client'
import { openChannel } from '@ambient/grpc'
import { systemClock } from '@ambient/lifecycle'
import { toYaml } from '@ambient/kube'
import { parseSpiffeId } from '@ambient/spiffe'
import { waitFor } from '@ambient/testkit'
import { PROXY_CONFIG_TYPE } from '@ambient/xds'
import {
  decodeDeltaResponse,
  decodeProxyConfig,
  DELTA_AGGREGATED_PATH,
  type DeltaResponse,
  encodeDeltaRequest,
} from '@ambient/xds-proto'
import { Metadata } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { type MeshFixture, meshFixture, runIstiod } from './mesh-fixture.ts'
import { newRoot } from './new-root.ts'

const PODS = `apiVersion: v1
kind: Pod
metadata: {name: ztunnel-a, namespace: istio-system, uid: uid-ztunnel-a}
spec: {nodeName: node-a, serviceAccountName: ztunnel, containers: [{name: ztunnel}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, uid: uid-web}
spec: {nodeName: node-a, serviceAccountName: web, containers: [{name: web}]}
`

function meshConfig(...caCertificates: readonly object[]): string {
  const mesh = { trustDomainAliases: ['old.example'], caCertificates }
  const metadata = { name: 'istio', namespace: 'istio-system' }
  return toYaml({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { mesh: toYaml(mesh) } })
}

/** A CA to plug in, which has revoked nothing and says so. */
async function pluggedIn(): Promise<{
  readonly directory: string
  readonly rootPem: string
  readonly crl: string
}> {
  const directory = mkdtempSync(join(tmpdir(), 'cacerts-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const { certificatePem, keyPem } = await newRoot()
  const settings = [
    '[ca]',
    'default_ca = own',
    '[own]',
    'database = index',
    'default_md = sha256',
    'default_crl_days = 1',
  ]
  const files = { 'ca-key.pem': keyPem, 'ca-cert.pem': certificatePem, 'root-cert.pem': certificatePem }
  for (const [name, text] of Object.entries({ ...files, cnf: `${settings.join('\n')}\n`, index: '' }))
    writeFileSync(join(directory, name), text)
  const by = ['ca', '-config', 'cnf', '-keyfile', 'ca-key.pem', '-cert', 'ca-cert.pem', '-gencrl']
  const crl = execFileSync('openssl', by, {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  writeFileSync(join(directory, 'ca-crl.pem'), crl)
  return { directory, rootPem: certificatePem, crl }
}

/** What a proxy that asks for the roots of every domain was told last. */
async function rootsWatcher(
  fixture: MeshFixture,
  port: number,
): Promise<() => readonly string[] | undefined> {
  const client = openChannel({
    address: { host: 'localhost', port, plaintext: false },
    altHostname: 'istiod.istio-system.svc',
    rootsPem: fixture.rootPem(),
    maxMessageBytes: 1 << 20,
  })
  const metadata = new Metadata()
  metadata.set(
    'authorization',
    `Bearer ${await fixture.token({ namespace: 'shop', account: 'wp', pod: 'wp' })}`,
  )
  const stream = client.makeBidiStreamRequest(
    DELTA_AGGREGATED_PATH,
    encodeDeltaRequest,
    decodeDeltaResponse,
    metadata,
  )
  let told: readonly string[] | undefined
  stream.on('data', ({ resources }: DeltaResponse) => {
    const [resource] = resources
    told = resource === undefined ? [] : decodeProxyConfig(resource.bytes).caCertificatesPem
  })
  stream.on('error', () => {}) // cancelled below
  onTestFinished(() => {
    stream.cancel()
    client.close()
  })
  const id = 'waypoint~10.0.0.8~wp.shop~shop.svc.cluster.local'
  stream.write({ node: { id, metadata: {} }, typeUrl: PROXY_CONFIG_TYPE })
  return () => told
}

async function trustBundleOf(fixture: MeshFixture, port: number): Promise<string> {
  using client = new CaClient({
    address: { host: 'localhost', port, plaintext: false },
    roots: () => Promise.resolve(fixture.rootPem()),
    altHostname: 'istiod.istio-system.svc',
    token: () => fixture.token(),
    headers: {},
    clusterId: 'Kubernetes',
    ttlSeconds: 3_600,
    clock: systemClock,
  })
  const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')
  return (await client.requestCertificate(id, AbortSignal.timeout(10_000))).trustBundlePem
}

test.each([
  { name: 'those who ask are told every root', flag: 'true' },
  { name: 'nobody is told of a root that is not the mesh’s own', flag: 'false' },
])(
  'startIstiod() gives workloads the roots of their own trust domains, and its revocation lists; with ISTIO_MULTIROOT_MESH=$flag, $name',
  async ({ flag }) => {
    const ca = await pluggedIn()
    const [alias, partner] = [await newRoot(), await newRoot()].map(({ certificatePem }) => certificatePem)
    using fixture = await meshFixture([], { ROOT_CA_DIR: ca.directory, ISTIO_MULTIROOT_MESH: flag })
    fixture.put('pods.yaml', PODS)
    const ofAlias = { pem: alias, trustDomains: ['old.example'] }
    fixture.put('mesh.yaml', meshConfig(ofAlias, { pem: partner, trustDomains: ['partner.example'] }))
    await using istiod = await runIstiod(fixture)
    const { securePort } = await istiod.serving
    expect(await trustBundleOf(fixture, securePort)).toBe(`${ca.rootPem}${alias}`)
    expect(fixture.rootPem()).toBe(ca.rootPem)
    expect(readFileSync(join(dirname(fixture.directory), 'state', CRL_FILE), 'utf8')).toBe(ca.crl)
    const told = await rootsWatcher(fixture, securePort)
    const everything = flag === 'true' ? [ca.rootPem, alias, partner] : []
    expect(await waitFor('the roots of every domain', told)).toEqual(everything)
    fixture.put('mesh.yaml', meshConfig(ofAlias))
    if (flag === 'true') await waitFor('the roots without the partner', () => told()?.length === 2)
    expect(await trustBundleOf(fixture, securePort)).toBe(`${ca.rootPem}${alias}`)
  },
)
