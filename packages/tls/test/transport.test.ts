import { testCa } from '@ambient/testkit'
import { PlainTransport, TlsContext, TlsTransport } from '@ambient/tls'
import { afterAll } from 'vitest'
import { verifyTransport } from './verify-transport.ts'

const ca = await testCa()
const [clientContext, serverContext] = [
  new TlsContext(await ca.issue({ uris: ['spiffe://cluster.local/ns/a/sa/client'] })),
  new TlsContext(await ca.issue({ uris: ['spiffe://cluster.local/ns/a/sa/server'] })),
]
afterAll(() => {
  clientContext.free()
  serverContext.free()
})

verifyTransport('PlainTransport', ({ clientFd, serverFd }) => ({
  client: new PlainTransport(clientFd),
  server: new PlainTransport(serverFd),
}))

verifyTransport('TlsTransport', ({ clientFd, serverFd }) => ({
  client: new TlsTransport(clientFd, clientContext, 'client'),
  server: new TlsTransport(serverFd, serverContext, 'server'),
}))
