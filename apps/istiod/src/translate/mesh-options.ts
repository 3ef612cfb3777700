/** What istiod knows of its mesh before it has read any object. */
export interface MeshOptions {
  readonly clusterId: string
  readonly trustDomain: string
  /** The mesh's own namespace: policies there are for every namespace. */
  readonly rootNamespace: string
  /** Last part of every service's host name. */
  readonly domainSuffix: string
  /** Whether policies marked as dry runs go to node proxies, which then only report what they would do. */
  readonly dryRunPolicies?: boolean
}
