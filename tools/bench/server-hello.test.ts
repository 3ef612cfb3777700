import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { duplexPair } from 'node:stream'
import { connect as connectTls, createServer } from 'node:tls'
import { testCa } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { readServerHello } from './server-hello.ts'

/** What a server of Node's with these settings says to a client of Node's. */
async function serverSays(options: {
  readonly ciphers: string
  readonly ecdhCurve: string
}): Promise<Buffer> {
  const { certificateChainPem, privateKeyPem } = await (await testCa()).issue({ dnsNames: ['server'] })
  await using server = createServer({ ...options, cert: certificateChainPem, key: privateKeyPem })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const raw = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const said: Buffer[] = []
  raw.on('data', (chunk) => said.push(Buffer.from(chunk)))
  const [inside, outside] = duplexPair()
  raw.pipe(outside).pipe(raw)
  const client = connectTls({ socket: inside, rejectUnauthorized: false })
  await once(client, 'secureConnect')
  client.destroy()
  raw.destroy()
  return Buffer.concat(said)
}

test.each([
  {
    ciphers: 'TLS_AES_128_GCM_SHA256',
    ecdhCurve: 'X25519',
    cipher: 'TLS_AES_128_GCM_SHA256',
    group: 'x25519',
  },
  {
    ciphers: 'TLS_AES_256_GCM_SHA384',
    ecdhCurve: 'X25519MLKEM768',
    cipher: 'TLS_AES_256_GCM_SHA384',
    group: 'X25519MLKEM768',
  },
])('readServerHello() names $cipher and $group', async ({ ciphers, ecdhCurve, cipher, group }) => {
  const said = await serverSays({ ciphers, ecdhCurve })
  expect(readServerHello(said)).toEqual({ version: 'TLSv1.3', cipher, group })
})

test('readServerHello() takes nothing else for one', () => {
  expect(readServerHello(Buffer.from('HTTP/1.1 200 OK'))).toBeUndefined()
  expect(readServerHello(Buffer.from([22, 3, 3, 0, 2, 2, 0]))).toBeUndefined()
  expect(readServerHello(Buffer.alloc(0))).toBeUndefined()
})
