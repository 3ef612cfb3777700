/** Names that Istio gives to what its gateway controller reads and writes (istio: pilot/pkg/config/constants). */
export const WAYPOINT_CLASS = 'istio-waypoint'
/** Of classes whose Gateways are waypoints; also the field manager of all that is written for them. */
export const MESH_CONTROLLER = 'istio.io/mesh-controller'
export const MANAGED_LABEL = 'gateway.istio.io/managed'
export const MANAGED_VALUE = 'istio.io-mesh-controller'
export const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name'
export const GATEWAY_CLASS_LABEL = 'gateway.networking.k8s.io/gateway-class-name'
export const DEFAULTS_LABEL = 'gateway.istio.io/defaults-for-class'
export const REVISION_LABEL = 'istio.io/rev'
export const DATAPLANE_MODE_LABEL = 'istio.io/dataplane-mode'
export const NETWORK_LABEL = 'topology.istio.io/network'

export const VERSION_ANNOTATION = 'gateway.istio.io/controller-version'
export const NAME_ANNOTATION = 'gateway.istio.io/name-override'
export const ACCOUNT_ANNOTATION = 'gateway.istio.io/service-account'
export const SERVICE_TYPE_ANNOTATION = 'networking.istio.io/service-type'
export const IMAGE_ANNOTATION = 'sidecar.istio.io/proxyImage'
export const LOG_LEVEL_ANNOTATION = 'sidecar.istio.io/logLevel'
export const DISTRIBUTION_ANNOTATION = 'networking.istio.io/traffic-distribution'

/** What the controller of this version writes; a Gateway with a higher one belongs to a newer controller. */
export const CONTROLLER_VERSION = 5
export const HBONE_PORT = 15_008
export const STATUS_PORT = 15_021
export const METRICS_PORT = 15_020
export const ENVOY_METRICS_PORT = 15_090
