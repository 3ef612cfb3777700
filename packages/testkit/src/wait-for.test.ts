import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freePort } from './free-port.ts'
import { leakedDescriptors, openDescriptors } from './open-descriptors.ts'
import { testCa } from './test-ca.ts'
import { turnUntil } from './turn-until.ts'
import { waitFor } from './wait-for.ts'

test('waitFor() gives the first answer that is something', async () => {
  let asked = 0
  expect(await waitFor('the third question', () => (++asked === 3 ? asked : undefined))).toBe(3)
  expect(await waitFor('zero, which is an answer', () => 0)).toBe(0)
})

test('waitFor() says what it waited for, and what the last probe threw', async () => {
  await expect(waitFor('rain', () => false, { deadlineMs: 20 })).rejects.toThrow('Waited 20 ms for rain')
  const failing = waitFor('the file', () => Promise.reject(new Error('no such file')), { deadlineMs: 20 })
  await expect(failing).rejects.toThrow('Waited 20 ms for the file: no such file')
})

test('turnUntil() turns every loop and lets Node run between', async () => {
  const turns = [0, 0]
  const loops = turns.map((_, i) => ({ turn: (): void => void (turns[i] = (turns[i] ?? 0) + 1) }))
  let isRun = false
  setTimeout(() => (isRun = true), 5)
  await turnUntil(loops, 'the timer of Node', () => isRun)
  expect(turns.every((count) => count > 0)).toBe(true)
  await expect(turnUntil(loops, 'nothing', () => false, { deadlineMs: 10 })).rejects.toThrow(
    'Waited 10 ms for nothing',
  )
})

test('leakedDescriptors() names what was opened since, and nothing else', () => {
  const before = openDescriptors()
  const fd = openSync('/dev/null', 'r')
  expect(leakedDescriptors(before)).toEqual([`${fd} /dev/null`])
  closeSync(fd)
  expect(leakedDescriptors(before)).toEqual([])
})

test('freePort() gives a port that can be listened on', async () => {
  const port = await freePort()
  const server = createServer((socket) => socket.end()).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const client = connect(port, '127.0.0.1').resume()
  await once(client, 'end')
  server.close()
  expect(port).toBeGreaterThan(1023)
})

test('testCa() issues certificates with the names, dates and usages asked for', async () => {
  const ca = await testCa()
  const notAfter = new Date('2030-01-02T03:04:05Z')
  const uris = ['spiffe://cluster.local/ns/a/sa/b', 'spiffe://cluster.local/ns/c/sa/d']
  const issued = await (
    await ca.intermediate()
  ).issue({ uris, dnsNames: ['istiod.local'], notAfter, eku: 'server' })
  const chain = issued.certificateChainPem.match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g) ?? []
  const [leaf, middle, root] = [...chain, ca.rootPem].map((pem) => new X509Certificate(pem))
  if (leaf === undefined || middle === undefined || root === undefined)
    throw new Error('a chain of two was expected')
  expect(leaf.subjectAltName).toBe(`URI:${uris[0]}, URI:${uris[1]}, DNS:istiod.local`)
  expect(new Date(leaf.validTo)).toEqual(notAfter)
  expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  expect([leaf.verify(middle.publicKey), middle.verify(root.publicKey), leaf.ca]).toEqual([true, true, false])
  expect(issued.rootsPem).toBe(ca.rootPem)
})

test('the README’s example runs', async () => {
  const before = openDescriptors()
  const ca = await testCa()
  const svid = await ca.issue({ uris: ['spiffe://cluster.local/ns/shop/sa/cart'], eku: 'both' })
  const certificate = await waitFor('a certificate', () => new X509Certificate(svid.certificateChainPem))
  expect(certificate.subjectAltName).toBe('URI:spiffe://cluster.local/ns/shop/sa/cart')
  expect(leakedDescriptors(before)).toEqual([])
})
