import { Arena, type NetworkNamespace } from '@ambient/linux'
import type { BpfDescriptor } from './bpf-descriptor.ts'
import { must } from './bpf-error.ts'
import { libbpf } from './libbpf.ts'

export interface TestPacket {
  /** A whole frame, link header included; at least 14 bytes. */
  readonly frame: Uint8Array
  readonly mark?: number
  /** In whose namespace sockets are looked up; the packet comes by its `lo`. */
  readonly netns: NetworkNamespace
}

export interface TestRunResult {
  /** What the program returned, signed: -1 is "no opinion", 0 is accept, 2 is drop. */
  readonly verdict: number
  /** The frame as the program left it. */
  readonly frame: Uint8Array
}

const OPTIONS_BYTES = 80
const CONTEXT_BYTES = 192
const MARK_AT = 8
const ROOM = 256

/** Runs a program once over a packet that goes nowhere (`BPF_PROG_TEST_RUN`). @throws {SyscallError} */
export function testRun(program: BpfDescriptor, { frame, mark = 0, netns }: TestPacket): TestRunResult {
  const input = new Arena(frame.length)
  input.bytes.set(frame)
  const output = new Arena(frame.length + ROOM)
  const context = new Arena(CONTEXT_BYTES)
  context.view.setUint32(MARK_AT, mark, true)
  const options = new Arena(OPTIONS_BYTES)
  const { view } = options
  view.setBigUint64(0, BigInt(OPTIONS_BYTES), true)
  view.setBigUint64(8, input.base, true)
  view.setBigUint64(16, output.base, true)
  view.setUint32(24, frame.length, true)
  view.setUint32(28, output.bytes.length, true)
  view.setBigUint64(32, context.base, true)
  view.setUint32(48, CONTEXT_BYTES, true)
  view.setInt32(60, 1, true)
  const result = netns.enter(() => libbpf().bpf_prog_test_run_opts(program.fd, options.base))
  must(result, `try ${program.name}`)
  return { verdict: view.getInt32(56, true), frame: output.bytes.slice(0, view.getUint32(28, true)) }
}
