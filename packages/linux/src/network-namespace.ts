import { fstatSync } from 'node:fs'
import { NULL } from './arena.ts'
import { closeDescriptor, openFile } from './descriptor.ts'
import { check } from './errno.ts'
import { sys } from './syscalls.ts'

/** What tells two namespaces apart: the same pair is the same namespace. */
export interface NamespaceId {
  readonly dev: number
  readonly inode: number
}

const CLONE_NEWNET = 0x40000000
const NS_GET_NSTYPE = 0xb703

// Mirrors state the kernel keeps for this thread; each worker has its own copy of the module.
const thread = { isAway: false }

/** A network namespace, held as a descriptor we own. A socket keeps the namespace it was born in. */
export class NetworkNamespace implements Disposable {
  readonly fd: number
  /** `undefined` for the thread's own: there is nowhere to go and nothing to come back from. */
  readonly #home: number | undefined
  #isOpen = true

  private constructor(fd: number, home: number | undefined) {
    this.fd = fd
    this.#home = home
  }

  /** The one this thread is in. Entering it takes no rights. */
  static own(): NetworkNamespace {
    return new NetworkNamespace(openHome(), undefined)
  }

  /** `path` is a netns file such as `/proc/1/ns/net` or `/run/netns/NAME`. */
  static open(path: string): NetworkNamespace {
    return NetworkNamespace.fromDescriptor(openFile(path))
  }

  /**
   * A new namespace with nothing in it, which ends with its last descriptor.
   *
   * @throws {SyscallError} `EPERM` without the right to make one, `ENOMEM` and so on.
   */
  static create(): NetworkNamespace {
    if (thread.isAway) throw new Error('Cannot make a network namespace from inside another')
    const home = openFile('/proc/thread-self/ns/net')
    try {
      check(sys.unshare(CLONE_NEWNET), 'unshare')
      const made = openFile('/proc/thread-self/ns/net')
      if (sys.setns(home, CLONE_NEWNET) < 0) process.abort()
      return NetworkNamespace.fromDescriptor(made)
    } finally {
      closeDescriptor(home)
    }
  }

  /** Takes ownership of `fd`, also when it throws. */
  static fromDescriptor(fd: number): NetworkNamespace {
    try {
      return new NetworkNamespace(fd, openHome())
    } catch (cause) {
      closeDescriptor(fd)
      throw cause
    }
  }

  /**
   * Runs `make` inside and comes back. Synchronous: `make` must not await, start a thread, or be the first to touch
   * the thread pool, since a new thread inherits the namespace. Make the socket and nothing else.
   *
   * @throws {SyscallError} when the namespace cannot be entered, and whatever `make` throws.
   */
  enter<T>(make: () => T): T {
    if (thread.isAway) throw new Error('Cannot enter a network namespace from inside another')
    if (!this.#isOpen) throw new Error('Cannot enter a network namespace that is disposed')
    const home = this.#home
    if (home === undefined) return make()
    check(sys.setns(this.fd, CLONE_NEWNET), 'setns')
    thread.isAway = true
    try {
      return make()
    } finally {
      // Carrying on in the wrong namespace would send one pod's traffic as another's: nothing to do but to die.
      if (sys.setns(home, CLONE_NEWNET) < 0) process.abort()
      thread.isAway = false
    }
  }

  id(): NamespaceId {
    const { dev, ino } = fstatSync(this.fd)
    return { dev, inode: ino }
  }

  /** Whether the descriptor is a network namespace at all, by its type. */
  isNetwork(): boolean {
    return sys.ioctl(this.fd, NS_GET_NSTYPE, NULL) === CLONE_NEWNET
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    closeDescriptor(this.fd)
    if (this.#home !== undefined) closeDescriptor(this.#home)
  }
}

/** The way back, to be taken while still at home. */
function openHome(): number {
  if (thread.isAway) throw new Error('Cannot open a network namespace from inside another')
  return openFile('/proc/thread-self/ns/net')
}
