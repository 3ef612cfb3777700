/** The gates that keep a process from being ready, each opened and closed by the part that owns it. */
export class Readiness {
  readonly #pending: Set<string>

  constructor(gates: readonly string[]) {
    this.#pending = new Set(gates)
  }

  open(gate: string): void {
    this.#pending.delete(gate)
  }

  close(gate: string): void {
    this.#pending.add(gate)
  }

  /** Upstream answers 500, not 503, and names what is missing. */
  answer(): { readonly status: number; readonly body: string } {
    if (this.#pending.size === 0) return { status: 200, body: 'ready\n' }
    return { status: 500, body: `not ready, pending: ${[...this.#pending].join(', ')}\n` }
  }
}
