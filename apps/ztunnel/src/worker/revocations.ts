import { RevocationLists, type TlsTransport } from '@ambient/tls'

export type RevocationReporter = 'source' | 'destination'

export interface RevocationsDeps {
  readonly count: (reporter: RevocationReporter) => void
}

/** Begins with the code of its reason, as refusals of a peer do. */
export const REVOKED = 'CERTIFICATE_REVOKED: connection closed: peer certificate revoked by CRL'

/** Revoked certificates, as one byte thread knows them: asked in every handshake, and of open sessions when they change. */
export class Revocations {
  readonly #deps: RevocationsDeps
  readonly #watched = new Map<
    TlsTransport,
    { readonly reporter: RevocationReporter; readonly cut: () => void }
  >()
  #lists: RevocationLists | undefined

  constructor(deps: RevocationsDeps) {
    this.#deps = deps
  }

  /** @returns Why a peer whose certificate has just been verified is refused, or undefined. */
  check(transport: TlsTransport, reporter: RevocationReporter): string | undefined {
    if (this.#lists === undefined || !transport.isRevokedBy(this.#lists)) return undefined
    this.#deps.count(reporter)
    return REVOKED
  }

  /** `cut` ends the session that rides on `transport`, once it is revoked. @returns how to let it go, at the session's end. */
  watch(transport: TlsTransport, reporter: RevocationReporter, cut: () => void): () => void {
    this.#watched.set(transport, { reporter, cut })
    return () => void this.#watched.delete(transport)
  }

  /** Puts other lists in force, at once for what is open too. @throws {TlsError} `CRL_UNUSABLE`; then the old ones stay. */
  replace(file: Uint8Array): void {
    const lists = new RevocationLists(file)
    this.#lists?.[Symbol.dispose]()
    this.#lists = lists
    for (const [transport, { reporter, cut }] of [...this.#watched]) {
      if (!transport.isRevokedBy(lists)) continue
      this.#deps.count(reporter)
      cut()
    }
  }
}
