export type { DiscoveryNode } from '@ambient/xds-proto'
export { AddressDemands, type AddressDemandEvents } from './address-demands.ts'
export { decodeAddress, encodeAddressResource, nodeGroup } from './address-codec.ts'
export type { Delta, XdsSink } from './apply-response.ts'
export { decodeAuthorization, encodeAuthorizationResource } from './authorization-codec.ts'
export type { ClientScope } from './client-stream.ts'
export { describeResource } from './describe-resource.ts'
export {
  type Admission,
  type Authentication,
  DeltaXdsServer,
  type DeltaXdsServerOptions,
  type XdsConnection,
  type XdsServerEvent,
} from './delta-xds-server.ts'
export { contentVersion, type EncodedResource } from './encoded-resource.ts'
export { XDS_LIMITS, type XdsLimits } from './limits.ts'
export { encodeProxyConfigResource } from './proxy-config-codec.ts'
export { ResourceTable, type ResourceView } from './resource-view.ts'
export type { XdsTermination } from './stream-end.ts'
export type { RequestOutcome, SubscriptionStatus } from './subscription.ts'
export { ADDRESS_TYPE, AUTHORIZATION_TYPE, PROXY_CONFIG_TYPE, WORKLOAD_TYPE } from './type-urls.ts'
export { workloadView } from './workload-view.ts'
export { runXdsClient, type XdsClientOptions, type XdsEvent } from './xds-client.ts'
export { XdsError, type XdsErrorCode } from './xds-error.ts'
