import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CaClient } from '@ambient/ca-client'
import { GrpcServer } from '@ambient/grpc'
import { systemClock as clock, systemRandom as random } from '@ambient/lifecycle'
import { spiffeId } from '@ambient/spiffe'
import { expect, onTestFinished, test } from 'vitest'
import { caMethods, CertificateIssuer, SelfSignedSource } from './index.ts'

test('the README’s example runs', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ca-readme-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const id = spiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' })
  const token = () => Promise.resolve('jwt')

  const issuer = await CertificateIssuer.open({
    source: new SelfSignedSource({ directory, trustDomain: 'cluster.local', clock }),
    clock,
    defaultTtlSeconds: 3600,
    maxTtlSeconds: 7200,
  })
  const methods = caMethods(issuer, {
    authorize: () => Promise.resolve({ kind: 'issue', id }),
    onOutcome: ({ kind }) => expect(kind).toBe('issued'),
  })
  await using server = await GrpcServer.open({
    address: '127.0.0.1',
    port: 0,
    credentials: {
      ...(await issuer.issueServing({ dnsNames: ['localhost'], ips: [] })),
      clientRootsPem: issuer.rootsPem,
    },
    methods,
    random,
    onFault: (cause) => expect.fail(String(cause)),
  })
  const address = { host: 'localhost', port: server.port, plaintext: false }
  using client = new CaClient({
    address,
    roots: () => Promise.resolve(issuer.rootsPem),
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
