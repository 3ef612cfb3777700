import { encodeProxyConfigResource, PROXY_CONFIG_TYPE, ResourceTable, type ResourceView } from '@ambient/xds'

/**
 * The roots of every trust domain as proxies ask for them that can do something with several. @see istiod.md 2.6
 *
 * A proxy cannot tell from them which root is whose, so an operator must want that: they are given only with
 * `ISTIO_MULTIROOT_MESH`, and never in the answers of the CA.
 */
export class TrustView {
  readonly #table = new ResourceTable(PROXY_CONFIG_TYPE)
  readonly #roots: () => readonly string[]

  constructor(roots: () => readonly string[]) {
    this.#roots = roots
    this.refresh()
  }

  get view(): ResourceView {
    return this.#table
  }

  /** To be called when the roots may be others; those that are the same concern nobody. */
  refresh(): void {
    this.#table.apply([encodeProxyConfigResource(this.#roots())], [])
  }
}
