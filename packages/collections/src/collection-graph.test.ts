import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Change, Collection, InputCollection } from './collection.ts'
import { CollectionGraph } from './collection-graph.ts'
import type { Fault } from './derivation.ts'

interface Pod {
  readonly app: string
  readonly node: string
}

interface Mesh {
  readonly graph: CollectionGraph
  readonly pods: InputCollection<Pod>
  readonly services: InputCollection<{ readonly selects: string; readonly port: number }>
  readonly zones: InputCollection<string>
  readonly workloads: Collection<{ readonly zone: string; readonly ports: readonly number[] }>
  readonly hosts: Collection<readonly string[]>
  readonly everything: Collection<unknown>
  readonly faults: Fault[]
}

/** Pods joined with their node's zone by key and with services by group; nodes with their pods the other way round. */
function mesh(): Mesh {
  const faults: Fault[] = []
  const graph = new CollectionGraph((fault) => faults.push(fault))
  const pods = graph.input<Pod>('pods')
  const services = graph.input<{ readonly selects: string; readonly port: number }>('services')
  const zones = graph.input<string>('zones')
  const byApp = services.index((service) => [service.selects])
  const workloads = graph.derive('workloads', pods, (pod, fetch) => {
    const found = fetch.find(byApp, pod.app, (service) => service.port > 0)
    if (found.some((service) => service.port === 13)) throw new Error('port 13')
    return { zone: fetch.get(zones, pod.node) ?? 'nowhere', ports: found.map((service) => service.port) }
  })
  const byZone = workloads.index((workload, key) => [workload.zone, `name ${key}`])
  const hosts = graph.derive('hosts', zones, (zone, fetch) =>
    fetch.find(byZone, zone).map((w) => w.ports.join('+')),
  )
  const everything = graph.union<unknown>('everything', [workloads, hosts])
  return { graph, pods, services, zones, workloads, hosts, everything, faults }
}

function contents(collection: Collection<unknown>): unknown {
  return Object.fromEntries([...collection.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function seed(m: Mesh): void {
  m.graph.transaction(() => {
    for (let i = 0; i < 100; i++) m.pods.set(`p${i}`, { app: `app${i % 10}`, node: `n${i % 5}` })
    for (let i = 0; i < 10; i++) m.services.set(`s${i}`, { selects: `app${i}`, port: 80 + i })
    for (let i = 0; i < 5; i++) m.zones.set(`n${i}`, `z${i}`)
  })
}

test('transaction() tells each collection’s listeners once, after everything has been worked out', () => {
  const m = mesh()
  const told: string[] = []
  const note = (name: string) => (changes: readonly Change<unknown>[]) =>
    told.push(
      `${name} ${changes.map((change) => change.key).join(',')}: ${JSON.stringify(contents(m.hosts))}`,
    )
  m.workloads.onChange(note('workloads'))
  m.hosts.onChange(note('hosts'))
  m.graph.transaction(() => {
    m.pods.set('a', { app: 'shop', node: 'n' })
    m.services.set('s', { selects: 'shop', port: 80 })
    m.zones.set('n', 'z')
  })
  expect(told).toEqual(['workloads a: {"n":["80"]}', 'hosts n: {"n":["80"]}'])
  expect(m.graph.evaluations).toBe(2)
  expect(Object.fromEntries(m.graph.evaluationsByName)).toEqual({ workloads: 1, hosts: 1, everything: 0 })
})

test('transaction() evaluates again only what read the key, the group or the filtered value that changed', () => {
  const m = mesh()
  seed(m)
  const cost = (change: () => void): number => {
    const before = m.graph.evaluations
    m.graph.transaction(change)
    return m.graph.evaluations - before
  }
  expect(cost(() => m.pods.set('p7', { app: 'app1', node: 'n2' }))).toBe(2) // itself and its host
  expect(cost(() => m.pods.set('p7', { app: 'app2', node: 'n3' }))).toBe(3) // both hosts: group of old and of new
  expect(cost(() => m.services.set('s1', { selects: 'app1', port: 99 }))).toBe(10 + 1)
  expect(cost(() => m.services.set('new', { selects: 'nobody', port: 1 }))).toBe(0)
  expect(cost(() => m.services.set('zero', { selects: 'app1', port: 0 }))).toBe(0) // the filter takes it neither way
  expect(cost(() => m.services.set('zero', { selects: 'app1', port: 5 }))).toBe(10 + 1)
  expect(cost(() => m.zones.set('elsewhere', 'z9'))).toBe(1)
})

test('transaction() passes nothing on when the values are equal, or equal again at its end', () => {
  const m = mesh()
  seed(m)
  let batches = 0
  m.workloads.onChange(() => batches++)
  const before = m.graph.evaluations
  m.graph.transaction(() => m.pods.set('p1', { app: 'app1', node: 'n1' }))
  expect(m.graph.evaluations).toBe(before)
  m.graph.transaction(() => {
    m.pods.delete('p1')
    m.pods.set('p1', { app: 'app1', node: 'n1' })
  })
  expect(batches).toBe(0)
})

test('derive() keeps the last good value of a key that fails, reports it, and recovers', () => {
  const m = mesh()
  m.graph.transaction(() => {
    m.pods.set('a', { app: 'shop', node: 'n' })
    m.pods.set('b', { app: 'other', node: 'n' })
    m.services.set('s', { selects: 'shop', port: 80 })
  })
  m.graph.transaction(() => {
    m.services.set('s', { selects: 'shop', port: 13 })
    m.services.set('t', { selects: 'other', port: 81 })
  })
  expect(m.faults.map(({ collection, key, hasLastGood }) => `${collection} ${key} ${hasLastGood}`)).toEqual([
    'workloads a true',
  ])
  expect(m.workloads.get('a')).toEqual({ zone: 'nowhere', ports: [80] })
  expect(m.workloads.get('b')).toEqual({ zone: 'nowhere', ports: [81] })
  expect(m.graph.faults).toHaveLength(1)
  m.graph.transaction(() => m.services.set('s', { selects: 'shop', port: 82 }))
  expect(m.workloads.get('a')).toEqual({ zone: 'nowhere', ports: [82] })
  expect(m.graph.faults).toEqual([])
})

test('derive() gives the fallback for a key that never succeeded', () => {
  const graph = new CollectionGraph(() => {})
  const source = graph.input<number>('source')
  const closed = graph.derive<number, string>(
    'closed',
    source,
    (n) => {
      if (n < 0) throw new Error('negative')
      return `open ${n}`
    },
    { fallback: () => 'closed' },
  )
  graph.transaction(() => source.set('a', -1))
  expect(closed.get('a')).toBe('closed')
  graph.transaction(() => source.set('a', 1))
  graph.transaction(() => source.set('a', -2))
  expect(closed.get('a')).toBe('open 1')
  graph.transaction(() => source.delete('a'))
  expect(contents(closed)).toEqual({})
  expect(graph.faults).toEqual([])
})

test('deriveMany() refuses a key that another source gives, and gives it up when its source goes', () => {
  const graph = new CollectionGraph(() => {})
  const source = graph.input<readonly string[]>('source')
  const many = graph.deriveMany(
    'many',
    source,
    (keys, _fetch, from) => new Map(keys.map((key) => [key, from])),
  )
  graph.transaction(() => {
    source.set('a', ['x', 'y'])
    source.set('b', ['y', 'z'])
  })
  expect(contents(many)).toEqual({ x: 'a', y: 'a' })
  expect(graph.faults.map((fault) => String(fault.cause))).toEqual([
    'CollectionError: Cannot give "y" in many: "a" gives it already',
  ])
  graph.transaction(() => source.set('a', []))
  expect(contents(many)).toEqual({ y: 'b', z: 'b' })
})

test('deriveMany() lets one source take over from another what both change at once', () => {
  const graph = new CollectionGraph(({ cause }) => expect.fail(String(cause)))
  const source = graph.input<readonly string[]>('source')
  const many = graph.deriveMany(
    'many',
    source,
    (keys, _fetch, from) => new Map(keys.map((key) => [key, from])),
  )
  graph.transaction(() => {
    source.set('a', ['x'])
    source.set('b', ['y'])
    source.set('c', ['z'])
  })
  graph.transaction(() => {
    source.set('a', ['y'])
    source.set('b', ['x', 'z'])
    source.delete('c')
  })
  expect(contents(many)).toEqual({ x: 'b', y: 'a', z: 'b' })
})

test('deriveMany() keeps all of the last good of a source that wants what another has, until it is free', () => {
  const graph = new CollectionGraph(() => {})
  const source = graph.input<readonly string[]>('source')
  const many = graph.deriveMany(
    'many',
    source,
    (keys, _fetch, from) => new Map(keys.map((key) => [key, from])),
  )
  graph.transaction(() => {
    source.set('a', ['x'])
    source.set('b', ['y', 'z'])
  })
  graph.transaction(() => source.set('b', ['x', 'w']))
  expect(contents(many)).toEqual({ x: 'a', y: 'b', z: 'b' })
  expect(graph.faults.map(({ key, hasLastGood }) => [key, hasLastGood])).toEqual([['b', true]])
  graph.transaction(() => source.delete('a'))
  expect(contents(many)).toEqual({ w: 'b', x: 'b' })
  expect(graph.faults).toEqual([])
})

test('union() takes the first collection’s value of a key in two', () => {
  const m = mesh()
  m.graph.transaction(() => {
    m.zones.set('a', 'z')
    m.pods.set('a', { app: 'x', node: 'a' })
  })
  expect(m.everything.get('a')).toEqual({ zone: 'z', ports: [] })
  m.graph.transaction(() => m.pods.delete('a'))
  expect(m.everything.get('a')).toEqual([])
})

test('onChange() may make a transaction of its own, and ends when asked', () => {
  const m = mesh()
  const order: string[] = []
  const end = m.workloads.onChange((changes) => {
    order.push(`workloads ${changes.length}`)
    if (m.zones.size === 0) m.graph.transaction(() => m.zones.set('n', 'z'))
  })
  m.everything.onChange((changes) => order.push(`everything ${changes.map((change) => change.key).join()}`))
  m.graph.transaction(() => m.pods.set('a', { app: 'shop', node: 'n' }))
  expect(order).toEqual(['workloads 1', 'everything a', 'workloads 1', 'everything a,n'])
  end()
  m.graph.transaction(() => m.pods.delete('a'))
  expect(order.at(-1)).toBe('everything a,n')
})

test('set() refuses to work outside a transaction, and fetch what was made later', () => {
  const graph = new CollectionGraph(() => {})
  const source = graph.input<number>('source')
  expect(() => source.set('a', 1)).toThrow('Cannot change source outside a transaction')
  const derived: Collection<unknown> = graph.derive('derived', source, (_n, fetch): unknown =>
    fetch.all(derived),
  )
  graph.transaction(() => source.set('a', 1))
  expect(String(graph.faults[0]?.cause)).toContain('Cannot read derived for derived: it was made later')
})

test('transaction() leaves exactly what a computation from scratch gives, after any edits (property)', () => {
  const name = fc.nat(4).map(String)
  const edit = fc.oneof(
    fc.record({ kind: fc.constant('pod' as const), key: name, app: name, node: name }),
    fc.record({
      kind: fc.constant('service' as const),
      key: name,
      app: name,
      port: fc.integer({ min: 0, max: 12 }),
    }),
    fc.record({ kind: fc.constant('zone' as const), key: name, zone: name }),
    fc.record({
      kind: fc.constant('gone' as const),
      key: name,
      of: fc.constantFrom('pods' as const, 'services' as const, 'zones' as const),
    }),
  )
  fc.assert(
    fc.property(fc.array(fc.array(edit, { maxLength: 4 }), { maxLength: 20 }), (batches) => {
      const m = mesh()
      const mirror = new Map<string, unknown>()
      m.everything.onChange((changes) => {
        for (const { key, after } of changes) {
          if (after === undefined) mirror.delete(key)
          else mirror.set(key, after)
        }
      })
      for (const batch of batches) {
        m.graph.transaction(() => {
          for (const e of batch) {
            if (e.kind === 'pod') m.pods.set(e.key, { app: e.app, node: e.node })
            if (e.kind === 'service') m.services.set(e.key, { selects: e.app, port: e.port })
            if (e.kind === 'zone') m.zones.set(e.key, e.zone)
            if (e.kind === 'gone') m[e.of].delete(e.key)
          }
        })
      }
      const scratch = mesh()
      scratch.graph.transaction(() => {
        for (const [key, pod] of m.pods.entries()) scratch.pods.set(key, pod)
        for (const [key, service] of m.services.entries()) scratch.services.set(key, service)
        for (const [key, zone] of m.zones.entries()) scratch.zones.set(key, zone)
      })
      expect(contents(m.workloads)).toEqual(contents(scratch.workloads))
      expect(contents(m.hosts)).toEqual(contents(scratch.hosts))
      expect(contents(m.everything)).toEqual(contents(scratch.everything))
      expect(Object.fromEntries([...mirror])).toEqual(contents(m.everything))
    }),
    { numRuns: 300 },
  )
})

test('transaction() forgets dependencies of what is gone', () => {
  const m = mesh()
  seed(m)
  m.graph.transaction(() => {
    for (let i = 0; i < 100; i++) m.pods.delete(`p${i}`)
  })
  const before = m.graph.evaluations
  m.graph.transaction(() => {
    for (let i = 0; i < 10; i++) m.services.delete(`s${i}`)
  })
  expect(m.graph.evaluations).toBe(before)
  expect(m.workloads.size).toBe(0)
})
