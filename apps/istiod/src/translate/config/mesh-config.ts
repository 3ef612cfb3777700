import {
  describeRef,
  type Field,
  fieldsOf,
  fieldsOfYaml,
  type KubeObject,
  type LabelSelector,
  readLabelSelector,
  refOf,
} from '@ambient/kube'
import { isAuthority, isTrustDomain, splitPem } from '@ambient/spiffe'

export type ServiceScope = 'local' | 'global'

/** Which services the other clusters of the mesh know. */
export interface ServiceScopeRule {
  /** Undefined takes every namespace. */
  readonly namespaces: LabelSelector | undefined
  /** Undefined takes every service. */
  readonly services: LabelSelector | undefined
  readonly scope: ServiceScope
}

export type EntryVisibility = 'public' | 'namespace' | 'none'

/** Who is told of a ServiceEntry, by the labels of its namespace: the first policy that matches whole. */
export interface VisibilityRules {
  readonly byDefault: EntryVisibility
  readonly policies: readonly VisibilityPolicy[]
}

export interface VisibilityPolicy {
  readonly visibility: EntryVisibility
  /** All of them must match; undefined is a rule of a kind that is not known here, which matches nothing. */
  readonly rules: readonly (LabelSelector | undefined)[]
}

/** Roots that vouch for workloads besides the CA's own. */
export interface TrustAnchor {
  /** One certificate or several. */
  readonly pem: string
  /** Whose workloads; none means those of every trust domain. */
  readonly trustDomains: readonly string[]
}

/** The parts of Istio's MeshConfig that decide something here. */
export interface MeshConfig {
  readonly trustDomain: string | undefined
  readonly trustDomainAliases: readonly string[]
  readonly rootNamespace: string | undefined
  /** Namespaces that node proxies are told of, if one of them matches; none means all. */
  readonly discoverySelectors: readonly LabelSelector[]
  readonly serviceScopes: readonly ServiceScopeRule[]
  /** Undefined: every ServiceEntry is public, and nothing is said about it. */
  readonly visibility: VisibilityRules | undefined
  readonly trustAnchors: readonly TrustAnchor[]
}

/** Of the ConfigMap, in istiod's own namespace. */
export const MESH_CONFIG_NAME = 'istio'

export const NO_MESH_CONFIG: MeshConfig = {
  trustDomain: undefined,
  trustDomainAliases: [],
  rootNamespace: undefined,
  discoverySelectors: [],
  serviceScopes: [],
  visibility: undefined,
  trustAnchors: [],
}

/** @throws {KubeError} `OBJECT_INVALID` or `YAML_INVALID`, naming the ConfigMap, the field and its value. */
export function readMeshConfig(configMap: KubeObject): MeshConfig {
  const text = fieldsOf(configMap).get('data').get('mesh').text() ?? ''
  const mesh = fieldsOfYaml(`${describeRef(refOf(configMap))} data.mesh`, text)
  return {
    trustDomain: trustDomain(mesh.get('trustDomain')),
    trustDomainAliases: mesh
      .get('trustDomainAliases')
      .list()
      .flatMap((item) => trustDomain(item) ?? []),
    rootNamespace: mesh.get('rootNamespace').text(),
    discoverySelectors: mesh
      .get('discoverySelectors')
      .list()
      .flatMap((item) => readLabelSelector(item) ?? []),
    serviceScopes: mesh.get('serviceScopeConfigs').list().map(serviceScopeRule),
    visibility: visibilityRules(mesh.get('serviceEntryVisibility')),
    trustAnchors: mesh.get('caCertificates').list().flatMap(trustAnchor),
  }
}

/** One that only says where to fetch its roots is none: a warning says so. */
function trustAnchor(field: Field): readonly TrustAnchor[] {
  const pem = field.get('pem').text()
  if (pem === undefined) {
    if (field.get('spiffeBundleUrl').isAbsent) throw field.invalid('has no pem')
    return []
  }
  if (!areAuthorities(pem)) throw field.get('pem').invalid('is no certificate of a CA in PEM')
  const trustDomains = field
    .get('trustDomains')
    .list()
    .flatMap((item) => trustDomain(item) ?? [])
  return [{ pem, trustDomains }]
}

function areAuthorities(pem: string): boolean {
  const certificates = splitPem(pem)
  return certificates.length > 0 && certificates.every((each) => isAuthority(each))
}

function trustDomain(field: Field): string | undefined {
  const text = field.text()
  if (text !== undefined && !isTrustDomain(text)) throw field.invalid('is no trust domain')
  return text
}

function serviceScopeRule(field: Field): ServiceScopeRule {
  return {
    namespaces: readLabelSelector(field.get('namespaceSelector')),
    services: readLabelSelector(field.get('servicesSelector')),
    scope: field.get('scope').choice(['LOCAL', 'GLOBAL']) === 'GLOBAL' ? 'global' : 'local',
  }
}

function visibilityRules(field: Field): VisibilityRules | undefined {
  if (field.isAbsent) return undefined
  return {
    byDefault: visibility(field.get('defaultVisibility')),
    policies: field
      .get('policies')
      .list()
      .map((policy) => ({
        visibility: visibility(policy.get('visibility')),
        rules: policy
          .get('matchingRules')
          .list()
          .map((rule) => readLabelSelector(rule.get('namespaceSelector'))),
      })),
  }
}

function visibility(field: Field): EntryVisibility {
  switch (field.choice(['UNSPECIFIED', 'PUBLIC', 'NAMESPACE', 'NONE'])) {
    case 'NAMESPACE':
      return 'namespace'
    case 'NONE':
      return 'none'
    default:
      return 'public'
  }
}
