import { once } from 'node:events'
import { Listener } from '@ambient/event-loop'
import {
  listenOn,
  localAddress,
  resetSocket,
  type SocketAddress,
  startConnect,
  tcpSocket,
} from '@ambient/linux'
import { waitFor } from '@ambient/testkit'
import { PlainTransport } from '@ambient/tls'
import { expect, test } from 'vitest'
import { Pump } from '../test/pump.ts'
import { dial, listenApp, readAll } from '../test/sockets.ts'
import {
  connectFields,
  formatAuthority,
  H2Session,
  hboneLimits,
  LoopBuffers,
  SessionPool,
  type TunnelEnd,
} from './index.ts'

test('the README’s example carries a connection', async () => {
  using pump = new Pump()
  const { loop } = pump
  const server = await listenApp()
  const app = { kind: 'address', ip: '127.0.0.1', port: server.port } as const
  const sessions: H2Session[] = []

  const limits = hboneLimits()
  const shared = { loop, limits, buffers: new LoopBuffers(limits) }

  // The inbound side: dial the app, then answer; a dial that fails is answered 503 by the tunnel itself.
  function serveInbound(fd: number): void {
    const session: H2Session = new H2Session(fd, new PlainTransport(fd), 'server', {
      ...shared,
      onRequest: (tunnel, request) => {
        if (request.destination.kind === 'hostname') return session.answer(tunnel, 503)
        const socket = tcpSocket()
        startConnect(socket, request.destination)
        tunnel.onConnected = () => session.answer(tunnel, 200)
        tunnel.attach(socket, 'connecting')
      },
    })
    sessions.push(session)
  }

  // The outbound side: one dial a key, tunnels queue on it and share its failure.
  const pool = new SessionPool(loop, limits)
  function serveOutbound(fd: number, nextHop: SocketAddress, onEnd: (end: TunnelEnd) => void): void {
    const session = pool.checkout('key', () => {
      const socket = tcpSocket()
      startConnect(socket, nextHop)
      return new H2Session(socket, new PlainTransport(socket), 'client', {
        ...shared,
        onChange: (changed) => pool.changed('key', changed),
      })
    })
    if (session === undefined) return resetSocket(fd)
    const tunnel = session.open(fd, connectFields(formatAuthority(app)))
    tunnel.onEnd = onEnd
  }

  const accept = { acceptsPerTurn: 64, acceptPauseMs: 100 }
  const hbone = new Listener(listenOn({ ip: '127.0.0.1', port: 0 }), loop, accept, serveInbound)
  const ends: TunnelEnd[] = []
  const outbound = new Listener(listenOn({ ip: '127.0.0.1', port: 0 }), loop, accept, (fd) =>
    serveOutbound(fd, localAddress(hbone.fd), (end) => void ends.push(end)),
  )
  pump.start()
  const client = await dial(localAddress(outbound.fd).port)
  client.end('hello')
  expect(String(await readAll(client))).toBe('hello')
  await waitFor('the tunnel to end', () => ends.length === 1)
  expect(ends).toEqual([{ kind: 'completed' }])
  if (!client.closed) await once(client, 'close')
  pool.close('done')
  for (const session of sessions) session.close('done')
  hbone.close()
  outbound.close()
  await server.close()
})
