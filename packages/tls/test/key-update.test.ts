/** The peer may change its keys at any time and ask us to change ours: openssl's own client does so on command. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { acceptOn, Arena, closeDescriptor, listenOn, localAddress } from '@ambient/linux'
import { testCa, waitFor } from '@ambient/testkit'
import { TlsContext, TlsTransport } from '@ambient/tls'
import { expect, test } from 'vitest'
import { something } from './verify-transport.ts'

test('read() answers a request for new keys, and bytes go on both ways', async () => {
  const svid = await (await testCa()).issue({ uris: ['spiffe://cluster.local/ns/shop/sa/cart'] })
  const directory = mkdtempSync(join(tmpdir(), 'key-update-'))
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  using context = new TlsContext(svid)
  const listening = listenOn({ ip: '127.0.0.1', port: 0 })
  const command = ['s_client', '-connect', `127.0.0.1:${localAddress(listening).port}`, '-alpn', 'h2']
  const credentials = [
    '-cert',
    file('chain.pem', svid.certificateChainPem),
    '-key',
    file('key.pem', svid.privateKeyPem),
  ]
  const client = spawn('openssl', [...command, ...credentials], { stdio: 'pipe' })
  let heard = ''
  for (const stream of [client.stdout, client.stderr]) stream.on('data', (chunk) => (heard += String(chunk)))
  const fd = await waitFor('openssl to connect', () => {
    const accepted = acceptOn(listening)
    return accepted.kind === 'accepted' && accepted.fd
  })
  const transport = new TlsTransport(fd, context, 'server')
  await waitFor('the handshake', () => transport.handshake().kind === 'done')

  const into = new Arena(65_536)
  const from = new Arena(64)
  for (let round = 0; round < 3; round++) {
    // "K" at the start of a line: new keys for openssl, and a request for ours.
    client.stdin.write('K\n')
    await waitFor('openssl to change keys', () => heard.split('KEYUPDATE').length === round + 2)
    expect(transport.read(into).kind).toBe('wait')
    client.stdin.write(`round ${round}\n`)
    const result = await something(transport, into)
    expect(result.kind).toBe('bytes')
    expect(Buffer.from(into.bytes.subarray(0, result.kind === 'bytes' ? result.length : 0)).toString()).toBe(
      `round ${round}\n`,
    )
    from.bytes.set(Buffer.from(`answer ${round}\n`))
    expect(transport.write(from, 'answer 0\n'.length)).toBe(true)
    await waitFor('the answer', () => heard.includes(`answer ${round}`))
  }
  client.kill()
  transport.close()
  closeDescriptor(fd)
  closeDescriptor(listening)
  rmSync(directory, { recursive: true })
})
