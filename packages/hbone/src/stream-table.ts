import { MAX_WINDOW } from './h2-constants.ts'
import type { SessionRole } from './peer-settings.ts'
import type { Tunnel } from './tunnel.ts'

/** As many resets as a busy peer may still answer with DATA it had under way. */
const REMEMBERED_RESETS = 1024

/** The streams of one connection: those open, and what is known of the numbers of others. */
export class StreamTable {
  readonly #tunnels = new Map<number, Tunnel>()
  readonly #role: SessionRole
  readonly #recentlyReset = new Set<number>()
  #nextId = 1
  #highestPeerId = 0

  /** @param role Ours: a client opens streams, a server accepts them. */
  constructor(role: SessionRole) {
    this.#role = role
  }

  get open(): ReadonlyMap<number, Tunnel> {
    return this.#tunnels
  }

  /** What GOAWAY names. */
  get highestPeerId(): number {
    return this.#highestPeerId
  }

  get hasIdsLeft(): boolean {
    return this.#nextId < MAX_WINDOW - 2
  }

  allocateId(): number {
    const id = this.#nextId
    this.#nextId += 2
    return id
  }

  acceptId(id: number): void {
    this.#highestPeerId = id
  }

  add(tunnel: Tunnel): void {
    this.#tunnels.set(tunnel.id, tunnel)
  }

  /** @returns Whether it was there. */
  delete(tunnel: Tunnel): boolean {
    return this.#tunnels.delete(tunnel.id)
  }

  get(id: number): Tunnel | undefined {
    return this.#tunnels.get(id)
  }

  /** A number that nobody has used yet: a frame on it is a connection error. */
  isIdle(id: number): boolean {
    if (id % 2 === 0) return true
    return this.#role === 'server' ? id > this.#highestPeerId : id >= this.#nextId
  }

  noteReset(id: number): void {
    this.#recentlyReset.add(id)
    if (this.#recentlyReset.size <= REMEMBERED_RESETS) return
    const [oldest] = this.#recentlyReset
    if (oldest !== undefined) this.#recentlyReset.delete(oldest)
  }

  /** Whether the peer may still send DATA that it had under way when we reset the stream. */
  wasReset(id: number): boolean {
    return this.#recentlyReset.has(id)
  }

  /** The peer has reset it as well and sends nothing more. @returns Whether that was to be expected, once. */
  takeReset(id: number): boolean {
    return this.#recentlyReset.delete(id)
  }
}
