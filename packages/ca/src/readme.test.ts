import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { systemClock as clock } from '@ambient/lifecycle'
import { spiffeId } from '@ambient/spiffe'
import { expect, onTestFinished, test } from 'vitest'
import { addCaService, CaClient, CertificateIssuer } from './index.ts'

test('the README’s example runs', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ca-readme-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const id = spiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' })
  const token = () => Promise.resolve('jwt')
  const server = new Server()
  onTestFinished(() => server.forceShutdown())

  const issuer = await CertificateIssuer.open({
    directory,
    trustDomain: 'cluster.local',
    clock,
    defaultTtlSeconds: 3600,
    maxTtlSeconds: 7200,
  })
  addCaService(server, issuer, {
    authorize: () => Promise.resolve({ kind: 'issue', id }),
    onResult: () => {},
    onFault: (cause) => expect.fail(String(cause)),
  })
  const address = {
    host: 'localhost',
    port: await listen(server, await issuer.issueServing({ dnsNames: ['localhost'], ips: [] })),
    plaintext: false,
  }
  using client = new CaClient({
    address,
    roots: () => Promise.resolve(issuer.rootPem),
    altHostname: undefined,
    token,
    headers: {},
    clusterId: 'Kubernetes',
    ttlSeconds: 3600,
    clock,
  })
  const svid = await client.requestCertificate(id, AbortSignal.timeout(5000))
  expect(svid.id).toBe('spiffe://cluster.local/ns/shop/sa/web')
})

function listen(
  server: Server,
  {
    privateKeyPem,
    certificateChainPem,
  }: { readonly privateKeyPem: string; readonly certificateChainPem: string },
): Promise<number> {
  const keys = [{ private_key: Buffer.from(privateKeyPem), cert_chain: Buffer.from(certificateChainPem) }]
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, keys), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
}
