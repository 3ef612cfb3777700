import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import {
  acceptOn,
  closeDescriptor,
  duplicateDescriptor,
  listenOn,
  localAddress,
  MESH_MARK,
  NetworkNamespace,
  openFile,
  startConnect,
  tcpSocket,
} from '@ambient/linux'
import { leakedDescriptors, openDescriptors, requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeNamespace, type TestNamespace } from './test-namespace.ts'

const here = new URL('.', import.meta.url)
const currentNamespace = (): string => readlinkSync('/proc/thread-self/ns/net')
const listening = (program: () => string): boolean => program().includes(':15008')

describe.skipIf(!requireRoot())('a network namespace', () => {
  let first: TestNamespace
  let second: TestNamespace

  beforeAll(() => {
    first = makeNamespace('a')
    second = makeNamespace('b')
  })
  afterAll(() => {
    first.delete()
    second.delete()
  })

  test('enter() makes a socket in the namespace it is asked for, and nowhere else', async () => {
    const before = openDescriptors()
    const home = currentNamespace()
    {
      using pod = NetworkNamespace.open(first.path)
      const fd = pod.enter(() => {
        expect(currentNamespace()).not.toBe(home)
        return listenOn({ ip: '::', port: 15008 }, { reusePort: true, transparent: true, mark: MESH_MARK })
      })
      expect(currentNamespace()).toBe(home)
      expect(listening(() => first.run('ss', '-ltnH'))).toBe(true)
      expect(listening(() => second.run('ss', '-ltnH'))).toBe(false)
      expect(listening(() => execFileSync('ss', ['-ltnH'], { encoding: 'utf8' }))).toBe(false)
      closeDescriptor(fd)
    }
    expect(leakedDescriptors(before)).toEqual([])
  })

  test('enter() of one’s own makes a socket at home, and takes no rights', () => {
    const before = openDescriptors()
    {
      using own = NetworkNamespace.own()
      using pod = NetworkNamespace.open(first.path)
      const home = currentNamespace()
      expect(own.enter(currentNamespace)).toBe(home)
      expect(own.isNetwork()).toBe(true)
      expect(own.id()).not.toEqual(pod.id())
      // Nothing is entered, so this is no namespace within another.
      expect(own.enter(() => pod.enter(currentNamespace))).not.toBe(home)
      expect(() => pod.enter(() => NetworkNamespace.own())).toThrow('from inside another')
    }
    expect(leakedDescriptors(before)).toEqual([])
  })

  test('enter() moves no other thread, nor the pool that starts later', async () => {
    const home = currentNamespace()
    using pod = NetworkNamespace.open(first.path)
    for (let i = 0; i < 200; i++) closeDescriptor(pod.enter(() => tcpSocket()))
    await Promise.all(Array.from({ length: 8 }, () => readFile('/proc/self/status')))
    expect(namespacesOfThreads()).toEqual(new Set([home]))
  })

  test('enter() in a worker leaves the main thread at home', async () => {
    const home = currentNamespace()
    const worker = new Worker(new URL('enter-worker.ts', here), { workerData: first.path })
    const answer = new Promise<{ inside: string; outside: string }>((resolve, reject) =>
      worker.once('message', resolve).once('error', reject),
    )
    const seen = new Set<string>()
    const poll = setInterval(() => seen.add(currentNamespace()), 1)
    const { inside, outside } = await answer
    clearInterval(poll)
    expect([inside === home, outside]).toEqual([false, home])
    expect(seen).toEqual(new Set([home]))
    expect(namespacesOfThreads()).toEqual(new Set([home]))
  })

  test('enter() comes back when what it ran throws, and refuses to be nested', () => {
    const home = currentNamespace()
    using pod = NetworkNamespace.open(first.path)
    using other = NetworkNamespace.open(second.path)
    expect(() =>
      pod.enter(() => {
        throw new Error('no port left')
      }),
    ).toThrow('no port left')
    expect(currentNamespace()).toBe(home)
    expect(() => pod.enter(() => other.enter(() => 0))).toThrow(
      'Cannot enter a network namespace from inside another',
    )
    expect(() => pod.enter(() => NetworkNamespace.open(second.path))).toThrow(
      'Cannot open a network namespace from inside another',
    )
    expect(currentNamespace()).toBe(home)
  })

  test('enter() aborts the process when it cannot come back', () => {
    const result = spawnSync(
      process.execPath,
      ['--conditions=@ambient/source', new URL('lost-way.ts', here).pathname, first.path],
      { encoding: 'utf8', env: { PATH: process.env['PATH'] } },
    )
    expect(result.stdout).toBe('inside\n')
    expect(result.signal).toBe('SIGABRT')
  })

  test('enter() throws for a descriptor that is no namespace, and after dispose', () => {
    const before = openDescriptors()
    const wrong = NetworkNamespace.fromDescriptor(openFile('/proc/self/status'))
    expect(wrong.isNetwork()).toBe(false)
    expect(() => wrong.enter(() => 0)).toThrow('setns: EINVAL')
    wrong[Symbol.dispose]()
    wrong[Symbol.dispose]()
    expect(() => wrong.enter(() => 0)).toThrow('disposed')
    expect(leakedDescriptors(before)).toEqual([])
  })

  test('create() makes a namespace of its own and comes back', () => {
    const before = openDescriptors()
    {
      using made = NetworkNamespace.create()
      using home = NetworkNamespace.open('/proc/thread-self/ns/net')
      expect(made.isNetwork()).toBe(true)
      expect(made.id()).not.toEqual(home.id())
    }
    expect(leakedDescriptors(before)).toEqual([])
  })

  test('id() is the same for two descriptors of one namespace only', () => {
    using one = NetworkNamespace.open(first.path)
    using same = NetworkNamespace.fromDescriptor(duplicateDescriptor(one.fd))
    using other = NetworkNamespace.open(second.path)
    expect(same.id()).toEqual(one.id())
    expect(other.id()).not.toEqual(one.id())
    expect([one.isNetwork(), other.isNetwork()]).toEqual([true, true])
  })

  test('startConnect() from outside goes on in the namespace its socket was born in', async () => {
    using pod = NetworkNamespace.open(first.path)
    const server = pod.enter(() => listenOn({ ip: '127.0.0.1', port: 0 }))
    const client = pod.enter(() => tcpSocket())
    startConnect(client, localAddress(server))
    const accepted = await waitFor('the connection inside', () => {
      const result = acceptOn(server)
      return result.kind === 'accepted' && result.fd
    })
    for (const fd of [server, client, accepted]) closeDescriptor(fd)
  })
})

/** Of every thread of this process; one that ends while they are looked at is in none any more. */
function namespacesOfThreads(): Set<string> {
  const seen = new Set<string>()
  for (const task of readdirSync('/proc/self/task')) {
    try {
      seen.add(readlinkSync(`/proc/self/task/${task}/ns/net`))
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ESRCH')))
        throw cause
    }
  }
  return seen
}
