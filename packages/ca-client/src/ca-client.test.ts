import { getEventListeners } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { systemClock } from '@ambient/lifecycle'
import { parseSpiffeId } from '@ambient/spiffe'
import { waitFor } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { CaClient, type CaClientOptions } from './index.ts'
import { CA_CLIENT_LIMITS } from './limits.ts'

const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')

/** A host that takes connections and never says a word. */
async function mute(options: Partial<CaClientOptions> = {}) {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    onTestFinished(() => void socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = new CaClient({
    address: { host: '127.0.0.1', port, plaintext: true },
    roots: () => Promise.resolve(''),
    altHostname: undefined,
    token: () => Promise.resolve(undefined),
    headers: {},
    clusterId: 'Kubernetes',
    ttlSeconds: 3600,
    clock: systemClock,
    ...options,
  })
  onTestFinished(() => {
    client[Symbol.dispose]()
    server.close()
  })
  return { client, connections: () => connections }
}

test('requestCertificate() gives a silent host up at its deadline, and goes over a new connection then', async () => {
  const early = { nowMs: () => systemClock.nowMs() - CA_CLIENT_LIMITS.callMs.value + 200 }
  const { client, connections } = await mute({ clock: early })
  await expect(client.requestCertificate(id, AbortSignal.timeout(5000))).rejects.toMatchObject({ code: 4 })
  await expect(client.requestCertificate(id, AbortSignal.timeout(5000))).rejects.toMatchObject({ code: 4 })
  await waitFor('two connections', () => connections() === 2)
})

test('requestCertificate() ends when it is told to, before the call or during it, and leaves no listener', async () => {
  const { client, connections } = await mute()
  const during = new AbortController()
  const running = client.requestCertificate(id, during.signal)
  const outcome = running.catch((cause: unknown) => cause)
  await waitFor(
    'the call',
    () => connections() === 1 && getEventListeners(during.signal, 'abort').length === 1,
  )
  during.abort()
  expect(await outcome).toMatchObject({ code: 1 })
  expect(getEventListeners(during.signal, 'abort')).toEqual([])
  await expect(client.requestCertificate(id, AbortSignal.abort(new Error('over')))).rejects.toThrow('over')
})

test('requestCertificate() fails with what reading the token fails with', async () => {
  const { client } = await mute({
    token: () => Promise.reject(new Error('Cannot use token file "t": it is empty')),
  })
  await expect(client.requestCertificate(id, AbortSignal.timeout(5000))).rejects.toThrow(
    'Cannot use token file "t"',
  )
})
