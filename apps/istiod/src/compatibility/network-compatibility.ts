import { type CompatibilityTable, defineCompatibility, golden } from './compatibility.ts'

const GATEWAYS = golden('network-gateways')

/** Gateways as the way to other networks. */
export const NETWORK_COMPATIBILITY: readonly CompatibilityTable[] = [
  defineCompatibility({
    kind: 'Gateway',
    title: 'Gateway of a network',
    fields: {
      'spec.gatewayClassName': golden(
        'network-gateways',
        'istio-remote here; istio-east-west in another cluster',
      ),
      'spec.listeners[].protocol': golden('network-gateways', 'HBONE'),
      'spec.listeners[].port': GATEWAYS,
      'spec.listeners[].tls': golden('network-gateways', 'Terminate, in another cluster'),
      'status.addresses': GATEWAYS,
    },
    labels: { 'topology.istio.io/network': GATEWAYS },
    annotations: { 'gateway.istio.io/service-account': GATEWAYS },
  }),
]
