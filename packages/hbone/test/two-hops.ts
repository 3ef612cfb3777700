import { openDescriptors, testCa, waitFor } from '@ambient/testkit'
import { expect } from 'vitest'
import type { HboneLimits } from '../src/index.ts'
import { Pump } from './pump.ts'
import { dial, listenApp, readAll, type TestApp } from './sockets.ts'
import { TestProxy, type OutboundOptions } from './test-proxy.ts'

export const ID_A = 'spiffe://cluster.local/ns/default/sa/a'
export const ID_B = 'spiffe://cluster.local/ns/default/sa/b'

export interface TwoHops extends AsyncDisposable {
  readonly pump: Pump
  readonly a: TestProxy
  readonly b: TestProxy
  readonly app: TestApp
  /** Where a client dials; its bytes come out at the app. */
  readonly port: number
  /** Where `a` dials `b`. */
  readonly hbonePort: number
  /** Nothing is open, no descriptor kept, no exception was contained, and the loop sleeps. */
  expectQuiet(): Promise<void>
}

export interface TwoHopsOptions {
  readonly tls?: boolean
  readonly limits?: Partial<HboneLimits>
  readonly outbound?: OutboundOptions
}

/** client → a → HBONE → b → app, all in this process: real sockets, one loop. */
export async function twoHops(options: TwoHopsOptions = {}): Promise<TwoHops> {
  const pump = new Pump()
  const app = await listenApp()
  const ca = options.tls === true ? await testCa() : undefined
  const shared = { loop: pump.loop, limits: options.limits ?? {} }
  const a = new TestProxy({
    ...shared,
    ...(ca === undefined ? {} : { certificate: await ca.issue({ uris: [ID_A] }) }),
  })
  const b = new TestProxy({
    ...shared,
    ...(ca === undefined ? {} : { certificate: await ca.issue({ uris: [ID_B] }) }),
  })
  const hbonePort = b.serveInbound(app.port)
  const expected = ca === undefined ? {} : { expected: ID_B }
  const port = a.serveOutbound(hbonePort, { ...expected, ...options.outbound })
  pump.start()
  await warmUp(port)
  const base = openDescriptors().size
  return {
    pump,
    a,
    b,
    app,
    port,
    hbonePort,
    expectQuiet: async () => {
      for (const socket of app.sockets) socket.destroy()
      await waitFor('every tunnel to end', () => a.open + b.open === 0)
      const kept = 2 * (a.pipes.idleCount + b.pipes.idleCount) + 2 * Math.max(0, a.pool.size - 1)
      await waitFor(
        `descriptors to be back at ${base}`,
        () => openDescriptors().size <= base + kept || describeOpen(a, b),
      )
      expect(creditOutstanding(a) + creditOutstanding(b)).toBe(0)
      pump.expectQuiet()
    },
    [Symbol.asyncDispose]: async () => {
      a.close()
      b.close()
      await app.close()
      pump[Symbol.dispose]()
    },
  }
}

async function warmUp(port: number): Promise<void> {
  const client = await dial(port)
  client.end('x')
  expect(String(await readAll(client))).toBe('x')
}

function creditOutstanding(proxy: TestProxy): number {
  return [...proxy.servers, ...proxy.clients].reduce(
    (sum, session) =>
      sum + session.credit.outstandingBytes + session.credit.keptBytes + session.output.parkedCount,
    0,
  )
}

function describeOpen(a: TestProxy, b: TestProxy): never {
  throw new Error(`${openDescriptors().size} open; sessions ${a.pool.size} and ${b.servers.size}`)
}
