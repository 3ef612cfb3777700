import { Arena, duplicateDescriptor, errno, errnoName, NULL, SyscallError, withCString } from '@ambient/linux'
import { BpfDescriptor } from './bpf-descriptor.ts'
import { BpfError, must, VerifierError } from './bpf-error.ts'
import { BpfMap, type MapSpec } from './bpf-map.ts'
import { type Libbpf, libbpf } from './libbpf.ts'

/** What is in an object file: a description, the same on every machine. */
export interface ObjectSpec<P extends string, M extends string> {
  readonly programs: readonly P[]
  readonly maps: Readonly<Record<M, MapSpec>>
}

export interface LoadOptions<M extends string> {
  /** Maps that the programs take instead of new ones: what an upgrade keeps. They stay their owner's. */
  readonly reuse?: Readonly<Partial<Record<M, BpfMap>>>
}

/** Enough for the refusals of programs like ours; the kernel keeps the end of a longer one. */
const MAX_LOG_BYTES = 1 << 20

/** Programs and maps that the kernel took; owns them all. What is attached or pinned stays after it. */
export class KernelObject<P extends string, M extends string> implements Disposable {
  readonly #programs: ReadonlyMap<string, BpfDescriptor>
  readonly #maps: ReadonlyMap<string, BpfMap>

  private constructor(programs: ReadonlyMap<string, BpfDescriptor>, maps: ReadonlyMap<string, BpfMap>) {
    this.#programs = programs
    this.#maps = maps
  }

  /**
   * Loads the file into the kernel, whole or not at all.
   *
   * @throws {BpfError} `OBJECT_INVALID` when the file is not what `spec` says
   * @throws {VerifierError} when the kernel refuses a program
   * @throws {SyscallError} when it refuses for want of rights or memory
   */
  static load<P extends string, M extends string>(
    path: string,
    spec: ObjectSpec<P, M>,
    options: LoadOptions<M> = {},
  ): KernelObject<P, M> {
    const library = libbpf()
    const object = withCString(path, (text) => library.bpf_object__open_file(text, NULL))
    if (object === NULL)
      throw new BpfError('OBJECT_INVALID', `Cannot open object ${path}: ${errnoName(errno())}`)
    using undo = new DisposableStack()
    undo.defer(() => library.bpf_object__close(object)) // what is ours are duplicates
    const file: OpenFile = { library, object, path }
    const programs = spec.programs.map((name) => ({ name, pointer: findProgram(file, name) }))
    const maps = Object.keys(spec.maps).map((name) => ({ name, pointer: findMap(file, name) }))
    for (const { name, pointer } of maps) {
      const mapSpec = specOf(spec.maps, name)
      checkMap(file, { name, pointer, spec: mapSpec })
      const reused = reusedOf(options.reuse, name)
      if (reused !== undefined)
        must(library.bpf_map__reuse_fd(pointer, reused.descriptor.fd), `reuse map ${name}`)
    }
    loadWithLog(file, programs)
    using made = new DisposableStack()
    const own = (kind: 'program' | 'map', name: string, fd: number): BpfDescriptor =>
      made.use(new BpfDescriptor(kind, name, duplicateDescriptor(fd)))
    const loaded = new KernelObject<P, M>(
      new Map(
        programs.map(({ name, pointer }) => [name, own('program', name, library.bpf_program__fd(pointer))]),
      ),
      new Map(
        maps.map(({ name, pointer }) => [
          name,
          new BpfMap(own('map', name, library.bpf_map__fd(pointer)), specOf(spec.maps, name)),
        ]),
      ),
    )
    made.move()
    return loaded
  }

  program(name: P): BpfDescriptor {
    return found(this.#programs.get(name), name)
  }

  map(name: M): BpfMap {
    return found(this.#maps.get(name), name)
  }

  [Symbol.dispose](): void {
    for (const each of [...this.#programs.values(), ...this.#maps.values()]) each[Symbol.dispose]()
  }
}

interface OpenFile {
  readonly library: Libbpf
  readonly object: bigint
  readonly path: string
}

interface Part {
  readonly name: string
  readonly pointer: bigint
}

function findProgram({ library, object, path }: OpenFile, name: string): bigint {
  const pointer = withCString(name, (text) => library.bpf_object__find_program_by_name(object, text))
  if (pointer === NULL) throw new BpfError('OBJECT_INVALID', `Object ${path} has no program "${name}"`)
  return pointer
}

function findMap({ library, object, path }: OpenFile, name: string): bigint {
  const pointer = withCString(name, (text) => library.bpf_object__find_map_by_name(object, text))
  if (pointer === NULL) throw new BpfError('OBJECT_INVALID', `Object ${path} has no map "${name}"`)
  return pointer
}

function checkMap(
  { library, path }: OpenFile,
  { name, pointer, spec }: Part & { readonly spec: MapSpec },
): void {
  const sizes = [library.bpf_map__key_size(pointer), library.bpf_map__value_size(pointer)]
  if (sizes[0] === spec.keyBytes && sizes[1] === spec.valueBytes) return
  throw new BpfError(
    'OBJECT_INVALID',
    `Map "${name}" of ${path} has keys of ${sizes[0]} bytes and values of ${sizes[1]}, expected ${spec.keyBytes} and ${spec.valueBytes}`,
  )
}

/** The first program that is refused is the last one that is tried, so that each has a buffer of its own to be told by. */
function loadWithLog({ library, object, path }: OpenFile, programs: readonly Part[]): void {
  const logs = programs.map(({ name, pointer }) => {
    const log = new Arena(MAX_LOG_BYTES)
    library.bpf_program__set_log_buf(pointer, log.base, BigInt(MAX_LOG_BYTES))
    return { name, log }
  })
  const result = library.bpf_object__load(object)
  if (result >= 0) return
  const refused = logs.find(({ log }) => log.bytes[0] !== 0)
  if (refused === undefined) throw new SyscallError(`load ${path}`, -result)
  throw new VerifierError(refused.name, -result, textIn(refused.log))
}

function textIn({ bytes }: Arena): string {
  const end = bytes.indexOf(0)
  return Buffer.from(bytes.subarray(0, end === -1 ? bytes.length : end)).toString()
}

function specOf(specs: Readonly<Record<string, MapSpec>>, name: string): MapSpec {
  return found(specs[name], name)
}

function reusedOf(
  maps: Readonly<Partial<Record<string, BpfMap>>> | undefined,
  name: string,
): BpfMap | undefined {
  return maps?.[name]
}

function found<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new BpfError('OBJECT_INVALID', `Nothing is named "${name}"`)
  return value
}
