import type { DiscoveryNode } from '@ambient/xds'

/** What a client says of itself in its first request. */
export interface ClientNode {
  readonly type: string
  /** `name.namespace` of the pod, as it says. */
  readonly proxy: string
  readonly namespace: string
  /** Of these, what it does not say is undefined. */
  readonly serviceAccount: string | undefined
  readonly nodeName: string | undefined
}

/**
 * Reads a node id `<type>~<ip>~<pod>.<namespace>~<namespace>.svc.<domain>` and the metadata with it, which says more.
 *
 * @returns undefined when the id is of another form.
 */
export function readNode({ id, metadata }: DiscoveryNode): ClientNode | undefined {
  const [type = '', , proxy = '', domain, ...rest] = id.split('~')
  if (type === '' || proxy === '' || domain === undefined || rest.length > 0) return undefined
  const [fromDomain = ''] = domain.split('.')
  return {
    type,
    proxy,
    namespace: textOf(metadata['NAMESPACE']) ?? fromDomain,
    serviceAccount: textOf(metadata['SERVICE_ACCOUNT']),
    nodeName: textOf(metadata['NODE_NAME']),
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
