import { type MeshConfig, NO_MESH_CONFIG } from './config/mesh-config.ts'

/** What istiod knows of its mesh before it has read any object; a change to any of it needs a restart. */
export interface MeshOptions {
  readonly clusterId: string
  readonly trustDomain: string
  /** Policies there are for every namespace. */
  readonly rootNamespace: string
  /** Where istiod itself runs, in every cluster: its label says the cluster's network. */
  readonly systemNamespace: string
  /** Last part of every service's host name. */
  readonly domainSuffix: string
  /** Whether policies marked as dry runs go to node proxies, which then only report what they would do. */
  readonly dryRunPolicies: boolean
  /** Whether workloads behind a waypoint are given a policy that allows what it forwards. */
  readonly autoAllowWaypoints: boolean
  /** Which of several control planes this is; objects labelled for another one are not its business. */
  readonly revision: string
  /** The mesh's configuration as it was when istiod started, in force until it is read again. */
  readonly startConfig: MeshConfig
}

export const DEFAULT_MESH: MeshOptions = {
  clusterId: 'Kubernetes',
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  systemNamespace: 'istio-system',
  domainSuffix: 'cluster.local',
  dryRunPolicies: false,
  autoAllowWaypoints: false,
  revision: 'default',
  startConfig: NO_MESH_CONFIG,
}
