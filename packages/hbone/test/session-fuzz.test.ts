/**
 * Session and tunnels over socket pairs, driven by seeded chance: a peer that opens, sends, cuts, floods and mangles,
 * apps that read or do not, an owner that aborts and drains. Whatever happens: what is sent keeps to the protocol and to
 * the windows, an app gets exactly what it was sent, in order, and in the end nothing is left over.
 */
import { EventLoop } from '@ambient/event-loop'
import { openDescriptors } from '@ambient/testkit'
import { describe, expect, test } from 'vitest'
import { type H2Session, LoopBuffers } from '../src/index.ts'
import { limits } from './fuzz-peer.ts'
import { play, type Run } from './fuzz-run.ts'

describe('H2Session and Tunnel', () => {
  test.each(['server', 'client'] as const)(
    'keep every promise over 200 random conversations, as %s',
    { timeout: 240_000 },
    (role) => {
      const faults: unknown[] = []
      const shared = {
        loop: new EventLoop({ onFault: (_owner, cause) => void faults.push(cause) }),
        buffers: new LoopBuffers(limits),
      }
      const before = openDescriptors().size
      const kinds = new Map<string, number>()
      const count = (kind: string): void => void kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      let carried = 0
      for (let seed = 1; seed <= 200; seed++) {
        const run = guard(seed, () => play(role, seed, shared))
        // Apps that outlive their stream are still served; the loop ends them.
        for (let i = 0; i < 100 && [...run.ends.keys()].some((tunnel) => !tunnel.isClosed); i++)
          shared.loop.turn(10)
        guard(seed, () => expectNothingLeft(run))
        const { state } = run.session
        count(`session ${state.kind === 'closed' ? state.end.kind : state.kind}`)
        for (const [tunnel, [end]] of run.ends) {
          carried += tunnel.bytesUp + tunnel.bytesDown
          count(`tunnel ${end?.kind}`)
        }
      }
      for (let i = 0; i < 30 && shared.loop.sourceCount > 0; i++) shared.loop.turn(10)
      expect(shared.loop.sourceCount).toBe(0)
      expect(openDescriptors().size).toBe(before)
      expect(faults).toEqual([])
      // The chance must not have missed the point.
      expect(carried).toBeGreaterThan(10_000_000)
      expect([...kinds].filter(([, times]) => times > 5).map(([kind]) => kind)).toEqual(
        expect.arrayContaining([
          'session closed',
          'session drained',
          'session protocol-error',
          'tunnel completed',
          'tunnel peer-reset',
          'tunnel local-reset',
          'tunnel aborted',
        ]),
      )
      shared.loop[Symbol.dispose]()
    },
  )
})

function expectNothingLeft({ session, ends, apps, peer }: Run): void {
  if (session.tunnels.size > 0) throw new Error('tunnels are left over')
  for (const told of ends.values()) {
    if (told.length !== 1) throw new Error(`a tunnel ended ${told.length} times`)
  }
  for (const app of peer.isMangled ? [] : apps) {
    const stream = peer.streams.get(app.streamId)
    if (stream?.wasFinished !== true || stream.received === app.said) continue
    throw new Error(`stream ${app.streamId} was finished after ${stream.received} of ${app.said} bytes`)
  }
  expectCreditSettled(session)
}

function expectCreditSettled({ state, credit }: H2Session): void {
  if (state.kind !== 'closed') throw new Error(`the session is ${state.kind}`)
  if (credit.keptBytes !== 0) throw new Error(`${credit.keptBytes} bytes are kept`)
  // A connection that broke the protocol may have died in the middle of a frame.
  if (state.end.kind !== 'protocol-error' && credit.outstandingBytes !== 0) {
    throw new Error(`credit of ${credit.outstandingBytes} bytes is lost`)
  }
}

function guard<T>(seed: number, body: () => T): T {
  try {
    return body()
  } catch (cause) {
    throw new Error(`Seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
