import { Arena, Errno, NULL } from '@ambient/linux'
import { BpfDescriptor } from './bpf-descriptor.ts'
import { must } from './bpf-error.ts'
import { libbpf } from './libbpf.ts'

/** What a map is, on every machine. */
export interface MapSpec {
  readonly keyBytes: number
  readonly valueBytes: number
  /** Each processor has a value of its own. */
  readonly isPerCpu?: boolean
}

const ANY = 0n

/** A map of the kernel; owns its descriptor. Keys and values are copied in and out. */
export class BpfMap implements Disposable {
  readonly descriptor: BpfDescriptor
  readonly #spec: MapSpec
  readonly #key: Arena
  readonly #next: Arena
  readonly #value: Arena
  readonly #stride: number

  constructor(descriptor: BpfDescriptor, spec: MapSpec) {
    this.descriptor = descriptor
    this.#spec = spec
    this.#key = new Arena(spec.keyBytes)
    this.#next = new Arena(spec.keyBytes)
    const isPerCpu = spec.isPerCpu === true
    this.#stride = isPerCpu ? Math.ceil(spec.valueBytes / 8) * 8 : spec.valueBytes
    this.#value = new Arena(this.#stride * (isPerCpu ? libbpf().libbpf_num_possible_cpus() : 1))
  }

  /** Opens one that was pinned. @throws {SyscallError} `ENOENT`, or `EINVAL` when it is no map */
  static openPinned(path: string, spec: MapSpec): BpfMap {
    return new BpfMap(BpfDescriptor.openPinned('map', path), spec)
  }

  /** @returns undefined when there is no such key */
  get(key: Uint8Array): Uint8Array | undefined {
    return this.getEach(key)?.[0]
  }

  /** The value of each processor; of a map that is not per processor, the one. */
  getEach(key: Uint8Array): readonly Uint8Array[] | undefined {
    this.#setKey(key)
    const result = libbpf().bpf_map_lookup_elem(this.descriptor.fd, this.#key.base, this.#value.base)
    if (result === -Errno.ENOENT) return undefined
    must(result, `look up in map ${this.descriptor.name}`)
    const count = this.#value.bytes.length / this.#stride
    return Array.from({ length: count }, (_, index) =>
      this.#value.bytes.slice(index * this.#stride, index * this.#stride + this.#spec.valueBytes),
    )
  }

  /** @throws {SyscallError} `errno 7` (E2BIG) when the map is full */
  set(key: Uint8Array, value: Uint8Array): void {
    this.#setKey(key)
    checkLength(value, this.#spec.valueBytes, `value of map ${this.descriptor.name}`)
    this.#value.bytes.set(value)
    const { fd, name } = this.descriptor
    must(libbpf().bpf_map_update_elem(fd, this.#key.base, this.#value.base, ANY), `update map ${name}`)
  }

  /** @returns whether it was there */
  delete(key: Uint8Array): boolean {
    this.#setKey(key)
    const result = libbpf().bpf_map_delete_elem(this.descriptor.fd, this.#key.base)
    if (result === -Errno.ENOENT) return false
    must(result, `delete from map ${this.descriptor.name}`)
    return true
  }

  /** Every key that is there; what comes and goes meanwhile may be missed. */
  keys(): readonly Uint8Array[] {
    const found: Uint8Array[] = []
    const { fd, name } = this.descriptor
    for (let from = NULL; ; from = this.#key.base) {
      const result = libbpf().bpf_map_get_next_key(fd, from, this.#next.base)
      if (result === -Errno.ENOENT) return found
      must(result, `list map ${name}`)
      found.push(this.#next.bytes.slice())
      this.#key.bytes.set(this.#next.bytes)
    }
  }

  [Symbol.dispose](): void {
    this.descriptor[Symbol.dispose]()
  }

  #setKey(key: Uint8Array): void {
    checkLength(key, this.#spec.keyBytes, `key of map ${this.descriptor.name}`)
    this.#key.bytes.set(key)
  }
}

function checkLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length)
    throw new RangeError(`Cannot use ${bytes.length} bytes as ${what}, which has ${length}`)
}
