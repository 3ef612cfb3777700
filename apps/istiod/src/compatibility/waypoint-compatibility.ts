import { type CompatibilityTable, defineCompatibility, golden, untouched } from './compatibility.ts'

const REFERENCES = golden('waypoint-references')
const CROSS = golden('waypoint-cross-namespace')
const MISSING = golden('waypoint-missing', 'closed or direct; our own')
const CANARY = golden('waypoint-canary')
const INGRESS = golden('waypoint-ingress')
const MANAGED = golden('waypoint-references', 'a waypoint has none')
const BINDING = golden('waypoint-inbound-binding')
const BY_THE_CONTROLLER = untouched('whoever deploys the Gateway goes by it')

const LABELS = {
  'istio.io/use-waypoint': REFERENCES,
  'istio.io/use-waypoint-namespace': CROSS,
  'istio.io/waypoint-missing': MISSING,
} as const
const SERVICE_LABELS = {
  ...LABELS,
  'istio.io/use-waypoint-canary': CANARY,
  'istio.io/use-waypoint-canary-namespace': CANARY,
  'istio.io/ingress-use-waypoint': INGRESS,
} as const
const CANARY_WEIGHT = { 'istio.io/use-waypoint-canary-weight': CANARY } as const

/** Waypoints, and who refers to them. */
export const WAYPOINT_COMPATIBILITY: readonly CompatibilityTable[] = [
  defineCompatibility({
    kind: 'Gateway',
    fields: {
      'metadata.creationTimestamp': golden(
        'waypoint-accounts',
        'of several for one service account the oldest counts',
      ),
      'spec.gatewayClassName': golden('waypoint-traffic-types'),
      'spec.listeners[].port': CROSS,
      'spec.listeners[].protocol': CROSS,
      'spec.listeners[].allowedRoutes': CROSS,
      'spec.addresses': BY_THE_CONTROLLER,
      'spec.infrastructure': BY_THE_CONTROLLER,
      'status.addresses': golden(
        'waypoint-traffic-types',
        'a host name is preferred; without any it is not ready',
      ),
    },
    labels: {
      'istio.io/waypoint-for': golden('waypoint-traffic-types', 'service, workload, all, none'),
      'istio.io/rev': BY_THE_CONTROLLER,
    },
    annotations: {
      'istio.io/for-service-account': golden('waypoint-accounts'),
      'ambient.istio.io/waypoint-inbound-binding': BINDING,
      'ambient.istio.io/xfcc-include-client-identity': BY_THE_CONTROLLER,
      'gateway.istio.io/controller-version': BY_THE_CONTROLLER,
      'gateway.istio.io/name-override': BY_THE_CONTROLLER,
      'networking.istio.io/service-type': BY_THE_CONTROLLER,
    },
  }),
  defineCompatibility({
    kind: 'GatewayClass',
    fields: {
      'spec.controllerName': golden(
        'waypoint-policies',
        'policies are attached to a class of waypoints only',
      ),
    },
    labels: { 'istio.io/waypoint-for': golden('waypoint-traffic-types') },
    annotations: { 'ambient.istio.io/waypoint-inbound-binding': BINDING },
  }),
  defineCompatibility({
    kind: 'Namespace',
    title: 'Namespace: its waypoint',
    labels: SERVICE_LABELS,
    annotations: CANARY_WEIGHT,
  }),
  defineCompatibility({
    kind: 'Service',
    title: 'Service: its waypoint',
    labels: { ...SERVICE_LABELS, 'gateway.istio.io/managed': MANAGED },
    annotations: CANARY_WEIGHT,
  }),
  defineCompatibility({
    kind: 'ServiceEntry',
    title: 'ServiceEntry: its waypoint',
    labels: SERVICE_LABELS,
    annotations: {
      ...CANARY_WEIGHT,
      'istio.io/connect-strategy': golden('waypoint-entry-wants', 'only a waypoint can do it'),
    },
  }),
  defineCompatibility({
    kind: 'Pod',
    title: 'Pod: its waypoint',
    labels: {
      ...LABELS,
      'gateway.networking.k8s.io/gateway-name': golden(
        'waypoint-inbound-binding',
        'it is one of the Gateway’s own',
      ),
      'gateway.istio.io/managed': MANAGED,
    },
  }),
  defineCompatibility({ kind: 'WorkloadEntry', title: 'WorkloadEntry: its waypoint', labels: LABELS }),
]
