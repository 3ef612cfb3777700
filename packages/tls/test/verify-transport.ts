import { createHash } from 'node:crypto'
import { Arena, sys } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import {
  liveTlsObjects,
  MAX_WRITE_BYTES,
  type HandshakeResult,
  type ReadResult,
  type Transport,
} from '@ambient/tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { socketPair, type SocketPair } from './socket-pair.ts'

/** Makes the two ends over sockets that the suite owns. */
export type TransportSetup = (pair: SocketPair) => { readonly client: Transport; readonly server: Transport }

const PIECE = 50_000

/** What every `Transport` must do, whatever it puts on the wire. */
export function verifyTransport(name: string, setup: TransportSetup): void {
  describe(`a ${name}`, () => {
    let before: ReadonlyMap<number, string>
    let objects: ReturnType<typeof liveTlsObjects>
    let pair: SocketPair
    let client: Transport
    let server: Transport
    const into = new Arena(65_536)
    const from = new Arena(MAX_WRITE_BYTES)

    beforeEach(async () => {
      before = openDescriptors()
      objects = liveTlsObjects()
      pair = await socketPair()
      ;({ client, server } = setup(pair))
    })
    afterEach(() => {
      client.close()
      server.close()
      pair.close()
      expect(leakedDescriptors(before)).toEqual([])
      expect(liveTlsObjects().connections).toBe(objects.connections)
    })

    test('handshake() ends done on both sides, whoever begins', async () => {
      expect(await bothHandshakes(client, server)).toEqual([{ kind: 'done' }, { kind: 'done' }])
    })

    test('read() gives what write() took, byte for byte, both ways at once', async () => {
      await bothHandshakes(client, server)
      const [up, down] = [new Flow(client, server), new Flow(server, client)]
      await waitFor('four megabytes each way', () => {
        up.step(from, into)
        down.step(from, into)
        return up.isDone && down.isDone
      })
      expect(up.received()).toBe(up.sent())
      expect(down.received()).toBe(down.sent())
    })

    test('read() says wait when there is nothing, and that a full arena may not be all', async () => {
      await bothHandshakes(client, server)
      expect(server.read(into)).toEqual({ kind: 'wait' })
      client.write(from, MAX_WRITE_BYTES)
      const first = await something(server, into)
      expect(first).toMatchObject({ kind: 'bytes', more: true })
      await waitFor('the rest', () => server.read(into).kind === 'wait')
    })

    test('write() takes everything when the peer does not read, and flush() gets it there later', async () => {
      await bothHandshakes(client, server)
      let sent = 0
      for (; !client.isBlocked; sent += MAX_WRITE_BYTES) client.write(from, MAX_WRITE_BYTES)
      expect(client.flush()).toBe(false)
      let received = 0
      await waitFor('every byte', () => {
        const result = server.read(into)
        if (result.kind === 'bytes') received += result.length
        client.flush()
        return received === sent && result.kind === 'wait'
      })
      expect([client.isBlocked, client.flush()]).toEqual([false, true])
    })

    test('write() throws for more than it can hold', () => {
      expect(() => client.write(from, MAX_WRITE_BYTES + 1)).toThrow(RangeError)
    })

    test('read() gives what came before the end, then the end', async () => {
      await bothHandshakes(client, server)
      from.bytes.set([1, 2, 3])
      client.write(from, 3)
      client.close()
      pair.close(pair.clientFd)
      expect(await something(server, into)).toMatchObject({ kind: 'bytes', length: 3 })
      expect([...into.bytes.subarray(0, 3)]).toEqual([1, 2, 3])
      expect(await something(server, into)).toEqual({ kind: 'eof' })
      expect(server.read(into)).toEqual({ kind: 'eof' })
    })

    test('read() fails with the reason when the connection is reset', async () => {
      await bothHandshakes(client, server)
      reset(pair.clientFd)
      expect(await something(server, into)).toEqual({ kind: 'failed', reason: 'socket: ECONNRESET' })
    })

    test('close() may be called twice, and what comes after it does nothing', async () => {
      await bothHandshakes(client, server)
      client.close()
      client.close()
      expect([client.write(from, 1), client.flush(), client.peerUris()]).toEqual([false, true, []])
      expect(client.read(into)).toEqual({ kind: 'failed', reason: 'closed by us' })
    })
  })
}

/** Drives both until neither waits. */
export async function bothHandshakes(
  client: Transport,
  server: Transport,
): Promise<readonly [HandshakeResult, HandshakeResult]> {
  const results: [HandshakeResult, HandshakeResult] = [{ kind: 'wait' }, { kind: 'wait' }]
  return waitFor('both handshakes to end', () => {
    if (results[0].kind === 'wait') results[0] = client.handshake()
    if (results[1].kind === 'wait') results[1] = server.handshake()
    return results.every(({ kind }) => kind !== 'wait') && results
  })
}

/** The next result of `read` that is not `wait`. */
export async function something(transport: Transport, into: Arena): Promise<ReadResult> {
  return waitFor('bytes, end or failure', () => {
    const result = transport.read(into)
    return result.kind !== 'wait' && result
  })
}

/** Pieces of varying length one way, with a digest at both ends. */
class Flow {
  readonly #from: Transport
  readonly #to: Transport
  readonly #sent = createHash('sha256')
  readonly #received = createHash('sha256')
  #left = 4 << 20
  #underway = 0
  #round = 0

  constructor(from: Transport, to: Transport) {
    this.#from = from
    this.#to = to
  }

  get isDone(): boolean {
    return this.#left === 0 && this.#underway === 0
  }

  step(from: Arena, into: Arena): void {
    for (let i = 0; i < 10 && this.#left > 0 && !this.#from.isBlocked; i++) this.#send(from)
    this.#from.flush()
    for (let result = this.#to.read(into); result.kind === 'bytes'; result = this.#to.read(into)) {
      this.#received.update(into.bytes.subarray(0, result.length))
      this.#underway -= result.length
    }
  }

  sent(): string {
    return this.#sent.digest('hex')
  }

  received(): string {
    return this.#received.digest('hex')
  }

  #send(from: Arena): void {
    const length = Math.min(this.#left, 1 + ((this.#round * 7919) % PIECE))
    for (let i = 0; i < length; i += 997) from.bytes[i] = this.#round & 255
    this.#round++
    this.#sent.update(from.bytes.subarray(0, length))
    this.#left -= length
    this.#underway += length
    this.#from.write(from, length)
  }
}

/** A RST at once, by connecting to nobody; the descriptor stays open, as its transport may ask of it. */
function reset(fd: number): void {
  const unspecified = new Arena(16)
  unspecified.bytes.fill(0)
  expect(sys.connect(fd, unspecified.base, 16)).toBe(0)
}
