export { KubeError, kubeErrorCodes, type KubeErrorCode } from './kube-error.ts'
export {
  apiVersionOf,
  isKindName,
  kindOf,
  type KindName,
  type ResourceKind,
  resourceKinds,
} from './resource-kinds.ts'
export { Field, isRecord, type UnknownRecord } from './field.ts'
export {
  describeRef,
  fieldsOf,
  type KubeObject,
  objectKey,
  type ObjectMeta,
  type ObjectRef,
  type OwnerReference,
  readObject,
  refOf,
} from './kube-object.ts'
export {
  includesLabels,
  type LabelRequirement,
  type LabelSelector,
  readLabelSelector,
  selectsLabels,
} from './label-selector.ts'
export {
  type AllowedNamespaces,
  type GatewayFacts,
  type GatewayListener,
  readAllowedNamespaces,
  readGateway,
} from './read-gateway.ts'
export { type ContainerFacts, type ContainerPort, type PodFacts, type PodPhase, readPod } from './read-pod.ts'
export { readDaemonSet, selectsNode, type DaemonSetFacts } from './read-daemon-set.ts'
export { readService, type ServiceFacts, type ServicePort } from './read-service.ts'
export {
  type EndpointSliceFacts,
  readEndpointSlice,
  type SliceEndpoint,
  type SlicePort,
  type TargetRef,
} from './read-endpoint-slice.ts'
export {
  isPort,
  isStrictAt,
  type MutualTlsMode,
  oldestPeerAuthentication,
  type PeerAuthentication,
  type PeerAuthenticationChain,
  readPeerAuthentication,
  strictPeerAuthentication,
} from './read-peer-authentication.ts'
export { type AddressRange } from './read-address.ts'
export {
  type EntryPort,
  type EntryResolution,
  readAllocatedAddresses,
  readServiceEntry,
  type ServiceEntryFacts,
} from './read-service-entry.ts'
export { type EndpointAddress, readWorkloadEntry, type WorkloadEntryFacts } from './read-workload-entry.ts'
export type {
  LeaseAnswer,
  LeaseRequest,
  ListOptions,
  Manifest,
  ManifestMeta,
  ResourceSource,
  ResourceWriter,
  WatchEvent,
  WriteOptions,
} from './resource-source.ts'
export { type LeadershipDeps, type LeadershipTimes, runAsLeader } from './run-as-leader.ts'
export { KUBE_LIMITS } from './limits.ts'
export { type FileProblem } from './entry-files.ts'
export { FileResources, type FileResourcesOptions } from './file-resources.ts'
export {
  type ResourceCheck,
  resourceChecks,
  type ResourceSetup,
  verifyResources,
} from './verify-resources.ts'
export { fieldsOfYaml, objectsFromYaml, toYaml } from './yaml-text.ts'
export { type ApiAccess, inClusterAccess, kubeconfigAccess } from './api/api-access.ts'
export { ApiError, parseObject } from './api/api-client.ts'
export { ApiResources, type ApiResourcesOptions } from './api/api-resources.ts'
