import { Arena, Errno, type NetworkNamespace, SyscallError } from '@ambient/linux'
import { BpfDescriptor } from './bpf-descriptor.ts'
import { must } from './bpf-error.ts'
import { bpf, libbpf } from './libbpf.ts'

/** Where packets are seen: on a device of a namespace, coming or going. */
export interface AttachPoint {
  readonly netns: NetworkNamespace
  /** By number, as the namespace counts its devices. */
  readonly device: number
  readonly direction: 'ingress' | 'egress'
}

/** Which filter of the classic kind is ours, among those of others. */
export interface FilterSlot {
  readonly handle: number
  readonly priority: number
}

const BPF_LINK_CREATE = 28
const TCX = { ingress: 46, egress: 47 } as const
const BEFORE_ALL_OTHERS = 1 << 3
const LINK_ATTRIBUTE_BYTES = 64
const MAX_QUERIED = 64

/**
 * Attaches by a link (tcx, from Linux 6.6), before all that is there. The link holds it: closed and not pinned, it is detached.
 *
 * @throws {SyscallError} `EINVAL` on a kernel without tcx, `errno 19` (ENODEV) without the device
 */
export function attachByLink(
  program: BpfDescriptor,
  { netns, device, direction }: AttachPoint,
): BpfDescriptor {
  const attributes = new Arena(LINK_ATTRIBUTE_BYTES)
  const words = [program.fd, device, TCX[direction], BEFORE_ALL_OTHERS]
  words.forEach((word, index) => attributes.view.setUint32(index * 4, word, true))
  const fd = netns.enter(() => bpf(BPF_LINK_CREATE, attributes.base, LINK_ATTRIBUTE_BYTES))
  return new BpfDescriptor('link', program.name, must(fd, `attach ${program.name} to ${direction}`))
}

/** From the next packet on the link runs the other program; none runs without either. @throws {SyscallError} */
export function swapProgram(link: BpfDescriptor, program: BpfDescriptor): void {
  must(libbpf().bpf_link_update(link.fd, program.fd, 0n), `swap the program of link ${link.name}`)
}

/** The programs that are attached by links, in the order they run, by the kernel's numbers. @throws {SyscallError} */
export function programsByLink({ netns, device, direction }: AttachPoint): readonly number[] {
  const ids = new Arena(MAX_QUERIED * 4)
  const count = new Arena(4)
  count.view.setUint32(0, MAX_QUERIED, true)
  const result = netns.enter(() =>
    libbpf().bpf_prog_query(device, TCX[direction], 0, 0n, ids.base, count.base),
  )
  must(result, `list the programs at ${direction}`)
  return Array.from({ length: count.view.getUint32(0, true) }, (_, index) =>
    ids.view.getUint32(index * 4, true),
  )
}

/**
 * Attaches as a filter of the classic kind, where the kernel has no links for devices. It stays until it is detached or the
 * device is gone. One that is in the slot already is swapped for it, with none missing in between.
 *
 * @throws {SyscallError}
 */
export function attachAsFilter(
  program: BpfDescriptor,
  { netns, ...at }: AttachPoint,
  slot: FilterSlot,
): void {
  const hook = hookOf(at)
  const options = filterOptions(slot, { fd: program.fd, flags: REPLACE })
  netns.enter(() => {
    const made = libbpf().bpf_tc_hook_create(hook.base)
    if (made !== -Errno.EEXIST) must(made, 'make clsact')
    must(libbpf().bpf_tc_attach(hook.base, options.base), `attach ${program.name} to ${at.direction}`)
  })
}

/** @returns the kernel's number of the program in the slot; undefined when there is none */
export function filterProgram({ netns, ...at }: AttachPoint, slot: FilterSlot): number | undefined {
  const hook = hookOf(at)
  const options = filterOptions(slot)
  const result = netns.enter(() => libbpf().bpf_tc_query(hook.base, options.base))
  return isGone(result, 'look for a filter') ? undefined : options.view.getUint32(PROGRAM_ID_AT, true)
}

/** Leaves the qdisc, which may hold filters of others. @returns whether there was one to detach */
export function detachFilter({ netns, ...at }: AttachPoint, slot: FilterSlot): boolean {
  const hook = hookOf(at)
  const options = filterOptions(slot)
  const result = netns.enter(() => libbpf().bpf_tc_detach(hook.base, options.base))
  return !isGone(result, 'detach a filter')
}

/** `EINVAL` is what the kernel says of a device without the qdisc. */
function isGone(result: number, call: string): boolean {
  const code = -result
  if (code === Errno.ENOENT || code === Errno.EINVAL) return true
  if (code > 0) throw new SyscallError(call, code)
  return false
}

const HOOK_BYTES = 24
const OPTIONS_BYTES = 32
const PROGRAM_ID_AT = 16
const REPLACE = 1

/** `struct bpf_tc_hook`: its size, the device, the direction. */
function hookOf({ device, direction }: Omit<AttachPoint, 'netns'>): Arena {
  const hook = new Arena(HOOK_BYTES)
  hook.view.setBigUint64(0, BigInt(HOOK_BYTES), true)
  hook.view.setInt32(8, device, true)
  hook.view.setInt32(12, direction === 'ingress' ? 1 : 2, true)
  return hook
}

/** `struct bpf_tc_opts`: its size, the program, flags, the number of the program as an answer, and the slot. */
function filterOptions({ handle, priority }: FilterSlot, { fd = 0, flags = 0 } = {}): Arena {
  const options = new Arena(OPTIONS_BYTES)
  options.view.setBigUint64(0, BigInt(OPTIONS_BYTES), true)
  options.view.setInt32(8, fd, true)
  options.view.setUint32(12, flags, true)
  options.view.setUint32(20, handle, true)
  options.view.setUint32(24, priority, true)
  return options
}
