import type { Workload } from '@ambient/model'

const TUNNEL = 'networking.istio.io/tunnel'
export const REDIRECTION = 'ambient.istio.io/redirection'

type Tunnel = Pick<Workload, 'tunnelProtocol' | 'nativeTunnel'>

/** How others reach a workload: by HBONE if its connections are redirected, or if it says that it speaks HBONE itself. */
export function tunnelOf(labels: Readonly<Record<string, string>>, isRedirected: boolean): Tunnel {
  const nativeTunnel = (labels[TUNNEL] ?? '').split(',').includes('http')
  return { tunnelProtocol: nativeTunnel || isRedirected ? 'hbone' : 'none', nativeTunnel }
}
