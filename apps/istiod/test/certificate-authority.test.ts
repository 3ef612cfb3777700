import { X509Certificate } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { splitPem } from '@ambient/spiffe'
import { waitFor } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { meshFixture, subscribe, runIstiod } from './mesh-fixture.ts'
import { newRoot } from './new-root.ts'

/** The serial number of what is served to a new connection, which is verified by `rootPem`. */
async function servedTo(port: number, rootPem: string): Promise<string> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: rootPem,
    ALPNProtocols: ['h2'],
  })
  try {
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('error', reject)
    })
    return socket.getPeerX509Certificate()?.serialNumber ?? ''
  } finally {
    socket.destroy()
  }
}

test('startIstiod() takes another CA from the directory it is plugged in at: new connections see it, streams go on', async () => {
  const caDirectory = mkdtempSync(join(tmpdir(), 'cacerts-'))
  onTestFinished(() => rmSync(caDirectory, { recursive: true }))
  const put = (file: string, text: string): void => {
    writeFileSync(join(caDirectory, 'aside'), text)
    renameSync(join(caDirectory, 'aside'), join(caDirectory, file))
  }
  const [old, next] = [await newRoot(), await newRoot()]
  put('ca-key.pem', old.keyPem)
  put('ca-cert.pem', old.certificatePem)
  put('root-cert.pem', old.certificatePem)
  using fixture = await meshFixture([], { ROOT_CA_DIR: caDirectory })
  await using istiod = await runIstiod(fixture)
  const { securePort } = await istiod.serving
  expect(fixture.rootPem()).toBe(old.certificatePem)
  await using client = subscribe(
    { port: () => securePort, rootPem: fixture.rootPem(), token: () => fixture.token() },
    fixture.logger,
  )
  await waitFor('the client', () => client.log.includes('synced Address'))
  const before = await servedTo(securePort, old.certificatePem)
  client.log.length = 0

  put('ca-key.pem', next.keyPem) // half of a change: nothing happens but a line in the log
  await waitFor('the complaint', () => fixture.lines.some((line) => line.includes('CA_ROOT_INVALID')))
  expect(await servedTo(securePort, old.certificatePem)).toBe(before)
  put('root-cert.pem', `${old.certificatePem}${next.certificatePem}`)
  put('ca-cert.pem', next.certificatePem)
  await waitFor('the new roots', () => splitPem(fixture.rootPem()).length === 2)
  const after = await waitFor('the new certificate', () => servedTo(securePort, next.certificatePem))
  expect(after).not.toBe(before)

  fixture.put(
    'ns.yaml',
    '{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, status: {phase: Running, podIP: 10.0.0.1}}',
  )
  await waitFor('a change over the old stream', () => client.log.length > 0)
  expect(client.log).toEqual(['sent web'])
  const metrics = await (await fetch(`http://127.0.0.1:${istiod.monitoringPort}/metrics`)).text()
  const ends = new X509Certificate(next.certificatePem).validToDate.getTime() / 1000
  expect(metrics).toContain(`citadel_server_cert_chain_expiry_timestamp ${ends}`)
  expect(metrics).toMatch(/citadel_server_root_cert_expiry_seconds 3\d+/)
  expect(fixture.lines.filter((line) => line.includes('CA_ROOT_INVALID'))).toHaveLength(1)
})

test('startIstiod() does not start on a CA that is half there', async () => {
  const caDirectory = mkdtempSync(join(tmpdir(), 'cacerts-'))
  onTestFinished(() => rmSync(caDirectory, { recursive: true }))
  writeFileSync(join(caDirectory, 'ca-cert.pem'), (await newRoot()).certificatePem)
  using fixture = await meshFixture([], { ROOT_CA_DIR: caDirectory })
  const starting = runIstiod(fixture)
  await expect(starting).rejects.toThrow('ca-key.pem, root-cert.pem is missing')
})
