import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { leakedDescriptors, openDescriptors, requireRoot } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createNetnsFinder } from './find-netns.ts'

requireRoot()
const uid = '1a2b3c4d-1111-2222-3333-444455556666'
const names = ['a', 'b'].map((name) => `cf${process.pid}${name}`)
const [one = '', two = ''] = names
let procRoot: string

beforeAll(() => {
  names.forEach((name, n) => {
    execFileSync('ip', ['netns', 'add', name])
    execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    execFileSync('ip', ['-n', name, 'address', 'add', `10.99.0.${n + 1}/32`, 'dev', 'lo'])
  })
})
afterAll(() => names.forEach((name) => execFileSync('ip', ['netns', 'del', name])))
beforeEach(() => {
  procRoot = mkdtempSync(join(tmpdir(), 'cni-proc-'))
})
afterEach(() => rmSync(procRoot, { recursive: true }))

/** One process of a made-up /proc. */
function addProcess(
  pid: number,
  netns: string,
  startTime: number,
  cgroup = `0::/kubepods/pod${uid}/c1`,
): void {
  mkdirSync(join(procRoot, String(pid), 'ns'), { recursive: true })
  symlinkSync(netns, join(procRoot, String(pid), 'ns/net'))
  writeFileSync(join(procRoot, String(pid), 'cgroup'), `${cgroup}\n`)
  writeFileSync(join(procRoot, String(pid), 'stat'), `${pid} (x y) S ${'0 '.repeat(18)}${startTime} 0 0\n`)
}

const scan = (ips: readonly string[]): number | undefined => {
  const before = openDescriptors()
  const found = createNetnsFinder({ procRoot, hostRoot: '' }).scan([{ cgroupUid: uid, ips }])
  const inode = found.get(uid)?.id().inode
  for (const netns of found.values()) netns[Symbol.dispose]()
  expect(leakedDescriptors(before)).toEqual([])
  return inode
}
const inodeOf = (name: string): number =>
  Number(execFileSync('stat', ['-Lc', '%i', `/run/netns/${name}`], { encoding: 'utf8' }))

test('scan() finds the namespace that has the pod’s address', () => {
  addProcess(10, `/run/netns/${one}`, 100)
  addProcess(11, `/run/netns/${two}`, 50)
  expect(scan(['10.99.0.1'])).toBe(inodeOf(one))
})

test('scan() takes the oldest process when two namespaces fit', () => {
  addProcess(10, `/run/netns/${one}`, 100)
  addProcess(11, `/run/netns/${two}`, 50)
  expect(scan(['10.99.0.1', '10.99.0.2'])).toBe(inodeOf(two))
})

test.each([
  {
    name: 'a process of another pod',
    make: () => addProcess(10, `/run/netns/${one}`, 1, `0::/kubepods/pod${uid.replace('1a', '2a')}/c1`),
  },
  {
    name: 'a process of two pods at once',
    make: () =>
      addProcess(10, `/run/netns/${one}`, 1, `0::/kubepods/pod${uid}/c1/pod${uid.replace('1a', '2a')}/c2`),
  },
  { name: 'a process in our own namespace', make: () => addProcess(10, '/proc/self/ns/net', 1) },
  {
    name: 'a process in the node’s namespace',
    make: () => (
      addProcess(1, `/run/netns/${one}`, 1, '0::/init.scope'),
      addProcess(10, `/run/netns/${one}`, 1)
    ),
  },
  { name: 'a process that is on its way out', make: () => mkdirSync(join(procRoot, '10')) },
  { name: 'a namespace without the pod’s address', make: () => addProcess(10, `/run/netns/${two}`, 1) },
])('scan() leaves out $name', ({ make }) => {
  make()
  expect(scan(['10.99.0.1'])).toBeUndefined()
})

test('open() gives what the runtime named', () => {
  using netns = createNetnsFinder({ procRoot, hostRoot: '' }).open(`/run/netns/${one}`)
  expect(netns.id().inode).toBe(inodeOf(one))
})

test.each([
  { name: 'what is not there', path: '/run/netns/nobody', code: 'NETNS_NOT_FOUND' },
  { name: 'what is no network namespace', path: '/etc/hostname', code: 'NETNS_NOT_FOUND' },
  { name: 'our own namespace', path: '/proc/self/ns/net', code: 'NETNS_IS_HOST' },
])('open() refuses $name', ({ path, code }) => {
  const before = openDescriptors()
  expect(() => createNetnsFinder({ procRoot, hostRoot: '' }).open(path)).toThrow(
    expect.objectContaining({ code }),
  )
  expect(leakedDescriptors(before)).toEqual([])
})
