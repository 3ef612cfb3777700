import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  attachAsFilter,
  attachByLink,
  BpfDescriptor,
  BpfError,
  BpfMap,
  detachFilter,
  filterProgram,
  KernelObject,
  liveBpfDescriptors,
  missingFeatures,
  programsByLink,
  readCounters,
  redirectObject,
  swapProgram,
  VerifierError,
  writeOwnAddresses,
} from '@ambient/bpf'
import { NetworkNamespace, SyscallError } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { inNamespace, OBJECT, type Redirect } from './steered-pod.ts'

const load = (): Redirect => KernelObject.load(OBJECT, redirectObject)

describe.skipIf(!requireRoot())('objects of the kernel', () => {
  let folder: string
  let pins: string
  let open: ReadonlyMap<number, string>

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ambient-bpf-'))
    pins = join(folder, 'pins')
    mkdirSync(pins)
    execFileSync('mount', ['-t', 'bpf', 'bpf', pins])
  })
  afterAll(() => {
    execFileSync('umount', [pins])
    rmSync(folder, { recursive: true })
  })
  beforeEach(() => {
    open = openDescriptors()
  })
  afterEach(() => {
    expect(liveBpfDescriptors()).toEqual([])
    expect(leakedDescriptors(open)).toEqual([])
  })

  test('this kernel has all that the programs need', () => {
    expect(missingFeatures(['classifier', 'relative-load', 'socket-lookup', 'socket-assign', 'tcx'])).toEqual(
      [],
    )
  })

  test('what is not closed is named with where it was made', () => {
    const object = load()
    const live = liveBpfDescriptors()
    object[Symbol.dispose]()
    expect(live).toHaveLength(redirectObject.programs.length + Object.keys(redirectObject.maps).length)
    expect(live[0]).toMatch(/^program lo_ingress\n[^]*kernel-object\.test\.ts/)
    expect(() => object.program('lo_ingress').fd).toThrow('Cannot use program lo_ingress that is closed')
  })

  test('a file that is not what its description says is refused', () => {
    const { settings } = redirectObject.maps
    expect(() => KernelObject.load(join(folder, 'none.o'), redirectObject)).toThrow('ENOENT')
    expect(() => KernelObject.load(OBJECT, { programs: ['other'], maps: {} })).toThrow('no program "other"')
    expect(() => KernelObject.load(OBJECT, { programs: [], maps: { other: settings } })).toThrow(
      'no map "other"',
    )
    expect(() =>
      KernelObject.load(OBJECT, { programs: [], maps: { settings: { ...settings, valueBytes: 40 } } }),
    ).toThrow(BpfError)
  })

  test('a program that the verifier refuses is told by the one line, with the whole log kept', () => {
    const source = fileURLToPath(new URL('./refused.c', import.meta.url))
    const file = join(folder, 'refused.o')
    const machine = execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim()
    const flags = ['-target', 'bpf', '-O2', '-g', `-I/usr/include/${machine}-linux-gnu`]
    execFileSync('clang', [...flags, '-c', source, '-o', file])
    const failure = thrownBy(() => KernelObject.load(file, { programs: ['refused'], maps: {} }))
    if (!(failure instanceof VerifierError)) throw failure
    expect(failure.message).toMatch(/^Kernel refuses program "refused": .*packet/)
    expect(failure.log).toContain('processed')
    expect(failure.log.split('\n').length).toBeGreaterThan(3)
  })

  test('a map gives back what it was given, and lists its keys', () => {
    using object = load()
    const own = object.map('own_addresses')
    writeOwnAddresses(own, ['10.0.0.1', 'fd00::1'])
    writeOwnAddresses(own, ['10.0.0.2', 'fd00::1'])
    const keys = own.keys().map((key) => Buffer.from(key).toString('hex'))
    expect(keys.toSorted()).toEqual(['00000000000000000000ffff0a000002', 'fd000000000000000000000000000001'])
    const [key = new Uint8Array()] = own.keys()
    expect(own.get(key)).toEqual(new Uint8Array(4))
    expect([own.delete(key), own.delete(key), own.get(key)]).toEqual([true, false, undefined])
    expect(() => own.set(new Uint8Array(4), new Uint8Array(4))).toThrow(RangeError)
    expect(() =>
      writeOwnAddresses(
        own,
        Array.from({ length: 257 }, (_, n) => `10.0.${n >> 8}.${n & 255}`),
      ),
    ).toThrow(SyscallError)
  })

  test('pinned maps and links outlive their object, and an upgrade takes over both without a gap', async () => {
    using netns = NetworkNamespace.create()
    const at = { netns, device: 1, direction: 'ingress' } as const
    const [map, link] = [join(pins, 'own'), join(pins, 'link')]
    let first = 0
    {
      using old = load()
      using attached = attachByLink(old.program('lo_ingress'), at)
      writeOwnAddresses(old.map('own_addresses'), ['10.0.0.1'])
      old.map('own_addresses').descriptor.pin(map)
      attached.pin(link)
      first = old.program('lo_ingress').id()
    }
    expect(programsByLink(at)).toEqual([first])

    using own = BpfMap.openPinned(map, redirectObject.maps.own_addresses)
    using upgraded = KernelObject.load(OBJECT, redirectObject, { reuse: { own_addresses: own } })
    expect(upgraded.map('own_addresses').keys()).toHaveLength(1)
    expect(upgraded.map('own_addresses').descriptor.id()).toBe(own.descriptor.id())
    {
      using attached = BpfDescriptor.openPinned('link', link)
      swapProgram(attached, upgraded.program('lo_ingress'))
      expect(attached.id()).toBeGreaterThan(0)
    }
    expect(programsByLink(at)).toEqual([upgraded.program('lo_ingress').id()])

    expect(() => BpfDescriptor.openPinned('map', link)).toThrow('EINVAL')
    unlinkSync(link)
    unlinkSync(map)
    await waitFor('the link to end', () => programsByLink(at).length === 0)
    expect(() => BpfDescriptor.openPinned('link', link)).toThrow('ENOENT')
  })

  test('a link comes before those of others', () => {
    using netns = NetworkNamespace.create()
    const at = { netns, device: 1, direction: 'egress' } as const
    using object = load()
    using links = new DisposableStack()
    for (const name of ['lo_egress', 'uplink_egress'] as const)
      links.use(attachByLink(object.program(name), at))
    expect(programsByLink(at)).toEqual([
      object.program('uplink_egress').id(),
      object.program('lo_egress').id(),
    ])
  })

  test('a filter is swapped in its slot, and detaching leaves what is of others', () => {
    using netns = NetworkNamespace.create()
    const at = { netns, device: 1, direction: 'ingress' } as const
    const [ours, other] = [
      { handle: 1, priority: 1 },
      { handle: 1, priority: 2 },
    ]
    using object = load()
    expect(filterProgram(at, ours)).toBeUndefined()
    attachAsFilter(object.program('virtual_ingress'), at, other)
    attachAsFilter(object.program('lo_ingress'), at, ours)
    attachAsFilter(object.program('uplink_ingress'), at, ours)
    expect(filterProgram(at, ours)).toBe(object.program('uplink_ingress').id())
    expect(inNamespace(netns, 'tc', 'filter', 'show', 'dev', 'lo', 'ingress')).toContain('uplink_ingress')
    expect([detachFilter(at, ours), detachFilter(at, ours)]).toEqual([true, false])
    expect(filterProgram(at, other)).toBe(object.program('virtual_ingress').id())
    expect(() => attachAsFilter(object.program('lo_ingress'), { ...at, device: 99 }, ours)).toThrow(
      SyscallError,
    )
  })

  test('counters start at nothing', () => {
    using object = load()
    expect(new Set(readCounters(object.map('counters')).values())).toEqual(new Set([0]))
  })
})

function thrownBy(work: () => Disposable): unknown {
  try {
    work()[Symbol.dispose]()
    return undefined
  } catch (cause) {
    return cause
  }
}
