import type { Workload } from '@ambient/model'
import type { SpiffeId } from '@ambient/spiffe'

/** What CONNECT asked for; `parseAuthority` of hbone makes it. */
export type InboundAuthority =
  | { readonly kind: 'address'; readonly ip: string; readonly port: number }
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number }

export interface InboundRequest {
  readonly local: Workload
  /** The address of ours that the peer dialled. */
  readonly localIp: string
  readonly authority: InboundAuthority
  readonly peer: SpiffeId | undefined
  readonly peerIp: string
  /** The `x-forwarded-network` header: a network gateway stands between, so `peerIp` is not the client's. */
  readonly forwardedNetwork?: string | undefined
  /** The network this node proxy is configured for; needed to read `forwardedNetwork`. */
  readonly network?: string | undefined
  /** A PROXY tunnel goes to the app over loopback, where nobody but this proxy can reach it. */
  readonly tunnelsToLoopback: boolean
  /** Listeners of the mesh itself. */
  readonly illegalPorts: ReadonlySet<number>
}
