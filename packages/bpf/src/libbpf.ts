/** The system's libbpf through node:ffi, and bpf(2) where no version that is about has a function: the only file that names either. */
import { arch } from 'node:process'
import ffi from 'node:ffi'
import { errorText } from '@ambient/lifecycle'
import { errno, NULL } from '@ambient/linux'
import { BpfError } from './bpf-error.ts'

/** Objects are NULL and an errno when there is none; numbers are negative errnos. */
export interface Libbpf {
  libbpf_set_print(print: bigint): bigint
  libbpf_num_possible_cpus(): number
  libbpf_probe_bpf_helper(programType: number, helper: number, options: bigint): number
  bpf_object__open_file(path: bigint, options: bigint): bigint
  bpf_object__load(object: bigint): number
  bpf_object__close(object: bigint): void
  bpf_object__find_program_by_name(object: bigint, name: bigint): bigint
  bpf_object__find_map_by_name(object: bigint, name: bigint): bigint
  bpf_program__fd(program: bigint): number
  bpf_program__set_log_buf(program: bigint, buffer: bigint, length: bigint): number
  bpf_map__fd(map: bigint): number
  bpf_map__key_size(map: bigint): number
  bpf_map__value_size(map: bigint): number
  bpf_map__reuse_fd(map: bigint, fd: number): number
  bpf_map_lookup_elem(fd: number, key: bigint, value: bigint): number
  bpf_map_update_elem(fd: number, key: bigint, value: bigint, flags: bigint): number
  bpf_map_delete_elem(fd: number, key: bigint): number
  bpf_map_get_next_key(fd: number, key: bigint, next: bigint): number
  bpf_prog_test_run_opts(fd: number, options: bigint): number
  bpf_prog_query(
    target: number,
    attachType: number,
    flags: number,
    attachFlags: bigint,
    ids: bigint,
    count: bigint,
  ): number
  bpf_link_update(link: number, program: number, options: bigint): number
  bpf_obj_pin(fd: number, path: bigint): number
  bpf_obj_get(path: bigint): number
  bpf_tc_hook_create(hook: bigint): number
  bpf_tc_attach(hook: bigint, options: bigint): number
  bpf_tc_detach(hook: bigint, options: bigint): number
  bpf_tc_query(hook: bigint, options: bigint): number
}

const definitions = {
  libbpf_set_print: { arguments: ['pointer'], return: 'pointer' },
  libbpf_num_possible_cpus: { arguments: [], return: 'i32' },
  libbpf_probe_bpf_helper: { arguments: ['u32', 'u32', 'pointer'], return: 'i32' },
  bpf_object__open_file: { arguments: ['pointer', 'pointer'], return: 'pointer' },
  bpf_object__load: { arguments: ['pointer'], return: 'i32' },
  bpf_object__close: { arguments: ['pointer'], return: 'void' },
  bpf_object__find_program_by_name: { arguments: ['pointer', 'pointer'], return: 'pointer' },
  bpf_object__find_map_by_name: { arguments: ['pointer', 'pointer'], return: 'pointer' },
  bpf_program__fd: { arguments: ['pointer'], return: 'i32' },
  bpf_program__set_log_buf: { arguments: ['pointer', 'pointer', 'u64'], return: 'i32' },
  bpf_map__fd: { arguments: ['pointer'], return: 'i32' },
  bpf_map__key_size: { arguments: ['pointer'], return: 'u32' },
  bpf_map__value_size: { arguments: ['pointer'], return: 'u32' },
  bpf_map__reuse_fd: { arguments: ['pointer', 'i32'], return: 'i32' },
  bpf_map_lookup_elem: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
  bpf_map_update_elem: { arguments: ['i32', 'pointer', 'pointer', 'u64'], return: 'i32' },
  bpf_map_delete_elem: { arguments: ['i32', 'pointer'], return: 'i32' },
  bpf_map_get_next_key: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
  bpf_prog_test_run_opts: { arguments: ['i32', 'pointer'], return: 'i32' },
  bpf_prog_query: { arguments: ['i32', 'u32', 'u32', 'pointer', 'pointer', 'pointer'], return: 'i32' },
  bpf_link_update: { arguments: ['i32', 'i32', 'pointer'], return: 'i32' },
  bpf_obj_pin: { arguments: ['i32', 'pointer'], return: 'i32' },
  bpf_obj_get: { arguments: ['pointer'], return: 'i32' },
  bpf_tc_hook_create: { arguments: ['pointer'], return: 'i32' },
  bpf_tc_attach: { arguments: ['pointer', 'pointer'], return: 'i32' },
  bpf_tc_detach: { arguments: ['pointer', 'pointer'], return: 'i32' },
  bpf_tc_query: { arguments: ['pointer', 'pointer'], return: 'i32' },
} as const

const LIBRARY = 'libbpf.so.1'

// One for each thread, opened by the first who needs it: a machine without the library runs everything else.
const opened: { library?: Libbpf } = {}

/** @throws {BpfError} `LIBBPF_MISSING` on a machine without it */
export function libbpf(): Libbpf {
  return (opened.library ??= openLibrary())
}

function openLibrary(): Libbpf {
  try {
    const library: Libbpf = new ffi.DynamicLibrary(LIBRARY).getFunctions(definitions)
    library.libbpf_set_print(NULL) // what it has to say is in our errors
    return library
  } catch (cause) {
    throw new BpfError(
      'LIBBPF_MISSING',
      `Cannot open ${LIBRARY} (install libbpf1, or libbpf of version 1): ${errorText(cause)}`,
      { cause },
    )
  }
}

const callKernel = new ffi.DynamicLibrary(null).getFunction('syscall', {
  arguments: ['i64', 'i64', 'pointer', 'u64'],
  return: 'i64',
})
const BPF_SYSCALL = arch === 'arm64' ? 280n : 321n

/** bpf(2) itself. @param attributes `union bpf_attr`, `length` bytes of it. @returns a negative errno, as libbpf does */
export function bpf(command: number, attributes: bigint, length: number): number {
  const result = Number(callKernel(BPF_SYSCALL, BigInt(command), attributes, BigInt(length)))
  return result < 0 ? -errno() : result
}
