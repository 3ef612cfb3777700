import { splitPem } from '@ambient/spiffe'
import type { MeshConfig } from '../translate/config/mesh-config.ts'

type Anchored = Pick<MeshConfig, 'trustAnchors'>

/**
 * PEM: the roots that, besides the CA's own, vouch for the workloads of `trustDomains`. Roots of other domains are not
 * among them: nothing in a certificate keeps a root from naming workloads of a domain that is not its own. Pure.
 */
export function anchorsOf({ trustAnchors }: Anchored, trustDomains: readonly string[]): string {
  return trustAnchors
    .filter(
      (anchor) =>
        anchor.trustDomains.length === 0 || anchor.trustDomains.some((each) => trustDomains.includes(each)),
    )
    .map(({ pem }) => `${pem.trim()}\n`)
    .join('')
}

/** Every root of every trust domain, each once, an element a certificate; the CA's own come first. Pure. */
export function allRoots({ trustAnchors }: Anchored, ownRootsPem: string): readonly string[] {
  const texts = [ownRootsPem, ...trustAnchors.map(({ pem }) => pem)]
  return [...new Set(texts.flatMap(splitPem))].map((pem) => `${pem}\n`)
}
