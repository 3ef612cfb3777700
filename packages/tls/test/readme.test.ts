import { testCa } from '@ambient/testkit'
import { checkOpenSsl, type HandshakeResult, TlsContext, TlsTransport } from '@ambient/tls'
import { expect, test } from 'vitest'
import { socketPair } from './socket-pair.ts'

test('the README’s example runs', async () => {
  const svid = await (await testCa()).issue({ uris: ['spiffe://cluster.local/ns/shop/sa/cart'] })
  const { clientFd, serverFd, close } = await socketPair()

  checkOpenSsl()
  using context = new TlsContext(svid)
  const client = new TlsTransport(clientFd, context, 'client')
  const server = new TlsTransport(serverFd, context, 'server')
  const step = (): HandshakeResult[] => [client.handshake(), server.handshake()]
  while (step().some(({ kind }) => kind === 'wait'));
  expect(server.peerUris()).toEqual(['spiffe://cluster.local/ns/shop/sa/cart'])
  client.close()
  server.close()

  close()
})
