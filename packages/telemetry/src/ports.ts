import type { Component } from './metrics/metric-table.ts'

/** One socket that some part of the mesh listens on; docs/ports.md is made from these. */
export interface PortDefinition {
  readonly port: number
  readonly protocol: 'TCP' | 'UDP'
  readonly component: Component
  readonly where: string
  readonly bind: string
  readonly purpose: string
}

export const ports = {
  outbound: {
    port: 15001,
    protocol: 'TCP',
    component: 'ztunnel',
    where: 'every enrolled pod',
    bind: 'wildcard',
    purpose: 'Everything the app dials, by redirect',
  },
  inboundPlaintext: {
    port: 15006,
    protocol: 'TCP',
    component: 'ztunnel',
    where: 'every enrolled pod',
    bind: 'wildcard',
    purpose: 'Everything that arrives in plain TCP, by redirect',
  },
  inboundHbone: {
    port: 15008,
    protocol: 'TCP',
    component: 'ztunnel',
    where: 'every enrolled pod',
    bind: 'wildcard',
    purpose: 'HBONE from peers: HTTP/2 CONNECT over mutual TLS',
  },
  dnsUdp: {
    port: 15053,
    protocol: 'UDP',
    component: 'ztunnel',
    where: 'every enrolled pod',
    bind: '127.0.0.1, ::1',
    purpose: 'DNS queries of the app, by redirect of port 53',
  },
  dnsTcp: {
    port: 15053,
    protocol: 'TCP',
    component: 'ztunnel',
    where: 'every enrolled pod',
    bind: '127.0.0.1, ::1',
    purpose: 'DNS queries of the app, by redirect of port 53',
  },
  socks5: {
    port: 15080,
    protocol: 'TCP',
    component: 'ztunnel',
    where: 'every enrolled pod, with UNSTABLE_ENABLE_SOCKS5',
    bind: '127.0.0.1',
    purpose: 'SOCKS5 for apps that ask for it',
  },
  ztunnelAdmin: {
    port: 15000,
    protocol: 'TCP',
    component: 'ztunnel',
    where: 'ztunnel',
    bind: '127.0.0.1',
    purpose: 'Configuration dump, log levels, shutdown',
  },
  ztunnelMetrics: {
    port: 15020,
    protocol: 'TCP',
    component: 'ztunnel',
    where: 'ztunnel',
    bind: 'wildcard',
    purpose: 'Prometheus metrics',
  },
  ztunnelReadiness: {
    port: 15021,
    protocol: 'TCP',
    component: 'ztunnel',
    where: 'ztunnel',
    bind: 'wildcard',
    purpose: 'Readiness probe',
  },
  istiodSecure: {
    port: 15012,
    protocol: 'TCP',
    component: 'istiod',
    where: 'istiod',
    bind: 'wildcard',
    purpose: 'Delta xDS and the CA over TLS',
  },
  istiodWebhook: {
    port: 15017,
    protocol: 'TCP',
    component: 'istiod',
    where: 'istiod, with VALIDATION_WEBHOOK_CONFIG_NAME',
    bind: 'wildcard',
    purpose: 'Admission reviews of the API server over TLS',
  },
  istiodMonitoring: {
    port: 15014,
    protocol: 'TCP',
    component: 'istiod',
    where: 'istiod',
    bind: 'wildcard',
    purpose: 'Prometheus metrics, version, debug',
  },
  istiodReadiness: {
    port: 8080,
    protocol: 'TCP',
    component: 'istiod',
    where: 'istiod',
    bind: 'wildcard',
    purpose: 'Readiness probe, debug',
  },
  cniHealth: {
    port: 8000,
    protocol: 'TCP',
    component: 'cni',
    where: 'CNI agent',
    bind: 'wildcard',
    purpose: 'Health and readiness probes',
  },
  cniMetrics: {
    port: 15014,
    protocol: 'TCP',
    component: 'cni',
    where: 'CNI agent',
    bind: 'wildcard',
    purpose: 'Prometheus metrics',
  },
  waypointController: {
    port: 15014,
    protocol: 'TCP',
    component: 'waypoint-controller',
    where: 'waypoint controller',
    bind: 'wildcard',
    purpose: 'Readiness probe, Prometheus metrics, version',
  },
} as const

/** Ports of a pod that the mesh listens on itself; nobody may ask for them as a destination. */
export function illegalPorts({ socks5 }: { readonly socks5: boolean }): ReadonlySet<number> {
  const { outbound, inboundPlaintext, inboundHbone } = ports
  const rows = [outbound, inboundPlaintext, inboundHbone, ...(socks5 ? [ports.socks5] : [])]
  return new Set(rows.map(({ port }) => port))
}
