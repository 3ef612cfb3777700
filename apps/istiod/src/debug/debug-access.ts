/** Who asks for a dump. */
export type DebugViewer =
  /** Somebody on the machine itself. */
  | { readonly kind: 'local' }
  /** A caller whose credentials were good. */
  | { readonly kind: 'caller'; readonly namespace: string }

export interface DebugAccess {
  /** Namespaces whose callers see everything: istiod's own, and those the operator adds. */
  readonly fullNamespaces: readonly string[]
}

/**
 * Whether a dump may be shown. What is about one proxy may be seen from that proxy's namespace.
 *
 * @param proxyNamespace Of the one proxy that the dump is about, if it is a dump of that kind.
 * @see istiod.md 12.2
 */
export function mayView(
  viewer: DebugViewer,
  proxyNamespace: string | undefined,
  { fullNamespaces }: DebugAccess,
): boolean {
  if (viewer.kind === 'local' || fullNamespaces.includes(viewer.namespace)) return true
  return proxyNamespace !== undefined && proxyNamespace === viewer.namespace
}
