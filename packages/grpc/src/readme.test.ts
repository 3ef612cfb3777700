import { systemRandom } from '@ambient/lifecycle'
import { expect, test } from 'vitest'
import { GrpcServer, openChannel, unaryMethod } from './index.ts'

test('the README’s example runs', async () => {
  await using server = await GrpcServer.open({
    address: '127.0.0.1',
    port: 0,
    credentials: 'plaintext',
    methods: { '/shop.Cart/Count': unaryMethod(() => Promise.resolve(Buffer.of(3))) },
    random: systemRandom,
    onFault: (cause) => expect.fail(String(cause)),
  })
  const address = { host: '127.0.0.1', port: server.port, plaintext: true }
  const client = openChannel({ address, altHostname: undefined, rootsPem: '', maxMessageBytes: 1024 })
  const same = (bytes: Buffer): Buffer => bytes
  const answer = await new Promise((resolve, reject) => {
    client.makeUnaryRequest('/shop.Cart/Count', same, same, Buffer.alloc(0), (error, bytes) =>
      error === null ? resolve(bytes) : reject(error),
    )
  })
  expect(answer).toEqual(Buffer.of(3))
  client.close()
})
