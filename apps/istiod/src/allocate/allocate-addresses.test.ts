import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { getEventListeners } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileResources, KubeError, readAllocatedAddresses, type ResourceWriter } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eagerClock, eventually, type Fed, fedState } from '../../test/fed-state.ts'
import { allocateAddresses } from './allocate-addresses.ts'

let directory = ''
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'istiod-allocate-'))))
afterEach(() => rmSync(directory, { recursive: true }))

const ranges = { ipv4: { ip: '240.240.0.0', length: 16 }, ipv6: { ip: '2001:2::', length: 48 } }

interface Running extends Fed, AsyncDisposable {
  /** What became of each attempt, as `kind name`. */
  readonly log: string[]
  allocated(name: string): Promise<readonly string[]>
}

/** Addresses written back to the directory. */
async function start(writer: Partial<ResourceWriter> = {}, clock = systemClock): Promise<Running> {
  const log: string[] = []
  const fed = await fedState(directory, ({ state, resources, ended }) =>
    allocateAddresses(
      {
        claims: state.addressClaims,
        writer: { applyStatus: (...args) => resources.applyStatus(...args), ...writer },
        clock,
        ranges,
        onWrite: ({ kind, write }) => log.push(`${kind} ${write.claim.ref.name}`),
        onExhausted: () => {},
      },
      ended.signal,
    ),
  )
  return {
    ...fed,
    log,
    allocated: async (name) => {
      const entries = await fed.resources.list('ServiceEntry')
      const found = entries.find(({ metadata }) => metadata.name === name)
      return found === undefined ? [] : readAllocatedAddresses(found).map(({ host, ip }) => `${host} ${ip}`)
    },
  }
}

function put(name: string, spec: string, more = ''): void {
  const text = `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n${more}`
  writeFileSync(join(directory, `${name}.yaml`), text)
}

test('allocateAddresses() follows what is wanted: more hosts, another resolution, addresses of the user', async () => {
  put('a', '{hosts: [a.example], resolution: DNS}')
  await using running = await start()
  const a1 = ['a.example 240.240.0.1', 'a.example 2001:2::1']
  await eventually(async () => expect(await running.allocated('a')).toEqual(a1))
  put('a', '{hosts: [b.example, a.example], resolution: DNS}')
  await eventually(async () =>
    expect(await running.allocated('a')).toEqual(['b.example 240.240.0.2', 'b.example 2001:2::2', ...a1]),
  )
  put('a', '{hosts: [a.example], resolution: NONE}')
  await eventually(async () => expect(await running.allocated('a')).toEqual([]))
  put('b', '{hosts: [b.example], addresses: [240.240.0.3], resolution: STATIC}')
  put('c', '{hosts: [c.example], resolution: DNS}')
  await eventually(async () =>
    expect(await running.allocated('c')).toEqual([
      expect.stringMatching(/^c.example 240.240.0.[45]$/),
      'c.example 2001:2::3',
    ]),
  )
  expect(running.log.filter((line) => !line.startsWith('written'))).toEqual([])
})

test('allocateAddresses() clears what somebody else has written when it is not wanted', async () => {
  put(
    'a',
    '{hosts: [a.example], resolution: NONE}',
    'status: {addresses: [{host: a.example, value: 240.240.0.9}]}\n',
  )
  await using running = await start()
  await eventually(() => expect(running.log).toEqual(['written a']))
  expect(await running.allocated('a')).toEqual([])
})

test('allocateAddresses() leaves one that turns invalid what it has, and writes nothing for it', async () => {
  put('a', '{hosts: [a.example], resolution: DNS}')
  await using running = await start()
  await eventually(async () => expect(await running.allocated('a')).toHaveLength(2))
  put('a', '{hosts: [], resolution: DNS}')
  put('b', '{hosts: [b.example], resolution: DNS}')
  await eventually(async () =>
    expect(await running.allocated('b')).toEqual(['b.example 240.240.0.2', 'b.example 2001:2::2']),
  )
  expect(await running.allocated('a')).toEqual(['a.example 240.240.0.1', 'a.example 2001:2::1'])
  await eventually(() => expect(running.log).toEqual(['written a', 'written b']))
})

test('allocateAddresses() tries a write that fails five times, then waits for a change', async () => {
  put('a', '{hosts: [a.example], resolution: DNS}')
  const isBroken = { now: true }
  await using resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  const applyStatus: ResourceWriter['applyStatus'] = (...args) =>
    isBroken.now ? Promise.reject(new Error('no')) : resources.applyStatus(...args)
  await using running = await start({ applyStatus }, eagerClock)
  const failed = [...Array<string>(4).fill('failed a'), 'given-up a']
  await eventually(() => expect(running.log).toEqual(failed))
  isBroken.now = false
  put('b', '{hosts: [b.example], resolution: NONE}')
  await eventually(() => expect(running.log).toEqual([...failed, 'written a']))
})

test('allocateAddresses() passes over an entry that is gone, and ends leaving nothing behind', async () => {
  put('a', '{hosts: [a.example], resolution: DNS}')
  let asked = 0
  const applyStatus = (): Promise<void> => {
    asked++
    return Promise.reject(new KubeError('OBJECT_NOT_FOUND', 'gone'))
  }
  const running = await start({ applyStatus })
  await eventually(() => expect(asked).toBe(1))
  await running[Symbol.asyncDispose]()
  expect(running.log).toEqual([])
  expect(getEventListeners(running.ended.signal, 'abort')).toEqual([])
})
