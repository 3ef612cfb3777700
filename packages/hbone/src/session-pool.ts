import type { EventLoop } from '@ambient/event-loop'
import type { H2Session } from './h2-session.ts'
import type { HboneLimits } from './limits.ts'

/** How often idle sessions are looked for, at most. */
const SWEEP_MS = 10_000

/**
 * Client sessions by key, one dial a key at a time: streams queue on the session while it connects and share its
 * failure. Sessions at their limit stay and are used again when they have room.
 */
export class SessionPool {
  readonly #loop: EventLoop
  readonly #limits: HboneLimits
  readonly #sessions = new Map<string, Set<H2Session>>()
  /**
   * In the order they fell idle. Not a timer each: sessions go idle and busy thousands of times a second, and a cancelled
   * timer stays in the heap until its time.
   */
  readonly #idleSinceMs = new Map<H2Session, number>()
  #size = 0
  #isSweeping = false

  constructor(loop: EventLoop, limits: HboneLimits) {
    this.#loop = loop
    this.#limits = limits
  }

  get size(): number {
    return this.#size
  }

  /** Sessions without tunnels. */
  get idleCount(): number {
    return this.#idleSinceMs.size
  }

  /**
   * A session with room for one more tunnel: the fullest first, so that surplus ones run empty and expire.
   *
   * @param key Everything that must be equal for two tunnels to share a connection.
   * @param dial Makes a session whose `onChange` calls `changed`; `undefined` when there is no socket to be had.
   * @returns `undefined` when `dial` gave none, or the pool is full of busy sessions.
   */
  checkout(key: string, dial: () => H2Session | undefined): H2Session | undefined {
    const session = this.#fullestWithRoom(key) ?? this.#add(key, dial)
    if (session !== undefined) this.#idleSinceMs.delete(session)
    return session
  }

  /** To be called on every change of a session's state or number of tunnels. */
  changed(key: string, session: H2Session): void {
    const { kind } = session.state
    if (kind === 'closed' || kind === 'draining') return this.#drop(key, session)
    if (
      session.tunnels.size > 0 ||
      this.#idleSinceMs.has(session) ||
      this.#sessions.get(key)?.has(session) !== true
    )
      return
    this.#idleSinceMs.set(session, this.#loop.nowMs)
    this.#sweepLater()
  }

  /** Every session finishes its tunnels and closes. */
  drain(): void {
    this.#each((session) => session.drain())
  }

  /** Every session closes at once; their tunnels are reset. */
  close(reason: string): void {
    this.#each((session) => session.close(reason))
  }

  #each(act: (session: H2Session) => void): void {
    for (const sessions of Array.from(this.#sessions.values())) {
      for (const session of Array.from(sessions)) act(session)
    }
  }

  #fullestWithRoom(key: string): H2Session | undefined {
    let fullest: H2Session | undefined
    for (const session of this.#sessions.get(key) ?? []) {
      if (session.hasRoom && (fullest === undefined || session.tunnels.size > fullest.tunnels.size))
        fullest = session
    }
    return fullest
  }

  #add(key: string, dial: () => H2Session | undefined): H2Session | undefined {
    if (this.#size >= this.#limits.poolSessions && !this.#drainLongestIdle()) return undefined
    const session = dial()
    if (session === undefined) return undefined
    const sessions = this.#sessions.get(key)
    if (sessions === undefined) this.#sessions.set(key, new Set([session]))
    else sessions.add(session)
    this.#size++
    return session
  }

  #drainLongestIdle(): boolean {
    const [longest] = this.#idleSinceMs.keys()
    longest?.drain()
    return longest !== undefined
  }

  #sweepLater(): void {
    if (this.#isSweeping) return
    this.#isSweeping = true
    this.#loop.after(Math.min(this.#limits.poolIdleMs, SWEEP_MS), () => this.#sweep())
  }

  #sweep(): void {
    this.#isSweeping = false
    const before = this.#loop.nowMs - this.#limits.poolIdleMs
    for (const [session, sinceMs] of Array.from(this.#idleSinceMs)) {
      if (sinceMs > before) break
      session.drain()
    }
    if (this.#idleSinceMs.size > 0) this.#sweepLater()
  }

  #drop(key: string, session: H2Session): void {
    this.#idleSinceMs.delete(session)
    const sessions = this.#sessions.get(key)
    if (sessions?.delete(session) !== true) return
    this.#size--
    if (sessions.size === 0) this.#sessions.delete(key)
  }
}
