import type { ControlPlanePeer, ZtunnelConfig } from '../config.ts'

/** What the process runs with, without what nobody else may know: the token, and the values of extra headers. */
export function shownConfig({ token: _token, xds, ca, ...rest }: ZtunnelConfig): object {
  return { ...rest, ...(xds && { xds: shownPeer(xds) }), ...(ca && { ca: shownPeer(ca) }) }
}

function shownPeer({ headers, ...peer }: ControlPlanePeer): object {
  return { ...peer, headers: Object.keys(headers) }
}
