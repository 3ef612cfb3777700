import { readFileSync } from 'node:fs'
import { closeDescriptor, duplicateDescriptor, Errno, SyscallError, withCString } from '@ambient/linux'
import { must } from './bpf-error.ts'
import { libbpf } from './libbpf.ts'

/** What a descriptor of the kernel's is of. */
export type BpfKind = 'program' | 'map' | 'link'

/** The word that only this kind has in its `fdinfo`; in the order to look, since a link names its program, too. */
const ID_FIELDS: Readonly<Record<BpfKind, string>> = { link: 'link_id', map: 'map_id', program: 'prog_id' }

// Of this thread; each worker has its own copy of the module, as it has its own objects.
const live = new Map<BpfDescriptor, string>()

/** Descriptors that are not closed, each as its name and where it was made: a leak test finds none. */
export function liveBpfDescriptors(): readonly string[] {
  return [...live].map(([{ kind, name }, stack]) => `${kind} ${name}\n${stack}`)
}

/** The one owner of a descriptor of a program, a map or a link. */
export class BpfDescriptor implements Disposable {
  readonly kind: BpfKind
  readonly name: string
  #fd: number | undefined

  /** Takes ownership of `fd`. */
  constructor(kind: BpfKind, name: string, fd: number) {
    this.kind = kind
    this.name = name
    this.#fd = fd
    live.set(this, new Error('made here').stack ?? '')
  }

  /** Opens what was pinned. @throws {SyscallError} `ENOENT` when there is none, `EINVAL` when it is of another kind */
  static openPinned(kind: BpfKind, path: string): BpfDescriptor {
    const fd = must(
      withCString(path, (text) => libbpf().bpf_obj_get(text)),
      `open pinned ${path}`,
    )
    const made = new BpfDescriptor(kind, path, fd)
    if (kindOf(fd) === kind) return made
    made[Symbol.dispose]()
    throw new SyscallError(`open pinned ${kind} ${path}`, Errno.EINVAL)
  }

  /** @throws {Error} after `dispose` */
  get fd(): number {
    if (this.#fd === undefined) throw new Error(`Cannot use ${this.kind} ${this.name} that is closed`)
    return this.#fd
  }

  /** What the kernel counts it as. */
  id(): number {
    return fieldOf(this.fd, ID_FIELDS[this.kind]) ?? 0
  }

  duplicate(): BpfDescriptor {
    return new BpfDescriptor(this.kind, this.name, duplicateDescriptor(this.fd))
  }

  /** Keeps it beyond this process, under a path in a bpffs; unlinking the path lets it go. @throws {SyscallError} */
  pin(path: string): void {
    must(
      withCString(path, (text) => libbpf().bpf_obj_pin(this.fd, text)),
      `pin ${this.kind} ${this.name}`,
    )
  }

  [Symbol.dispose](): void {
    if (this.#fd === undefined) return
    closeDescriptor(this.#fd)
    this.#fd = undefined
    live.delete(this)
  }
}

function kindOf(fd: number): BpfKind | undefined {
  const kinds: readonly BpfKind[] = ['link', 'map', 'program']
  return kinds.find((kind) => fieldOf(fd, ID_FIELDS[kind]) !== undefined)
}

function fieldOf(fd: number, name: string): number | undefined {
  const text = readFileSync(`/proc/thread-self/fdinfo/${fd}`, 'utf8')
  const found = new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}
