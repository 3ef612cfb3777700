import {
  type CompatibilityTable,
  defineCompatibility,
  golden,
  ignored,
  supported,
  untouched,
} from './compatibility.ts'

const READ =
  'apps/istiod/src/translate/config/mesh-config.test.ts › readMeshConfig() takes what concerns it and leaves the rest'
const AT_START = supported(READ, 'a change takes effect at the next start')
const ANCHORS = 'apps/istiod/src/ca/trust-anchors.test.ts › anchorsOf() gives what is for an alias as well'
const OF_ENVOY = untouched('it is about Envoy, and node proxies are none')

/** Istio's MeshConfig: the key `mesh` of the ConfigMap `istio` in istiod's own namespace. */
export const MESH_CONFIG_COMPATIBILITY: readonly CompatibilityTable[] = [
  defineCompatibility({
    kind: 'ConfigMap',
    title: 'MeshConfig',
    fields: {
      trustDomain: AT_START,
      trustDomainAliases: golden('mesh-trust-domains'),
      rootNamespace: AT_START,
      discoverySelectors: golden('mesh-discovery', 'istiod’s own namespace is always in'),
      serviceEntryVisibility: golden(
        'service-entry-visibility',
        'rules other than namespaceSelector match nothing',
      ),
      serviceScopeConfigs: golden('split-horizon'),
      'caCertificates[].pem': supported(ANCHORS),
      'caCertificates[].trustDomains': supported(
        ANCHORS,
        'CreateCertificate gives those of the mesh’s own domains; all of them go to those who ask, with ISTIO_MULTIROOT_MESH',
      ),
      'caCertificates[].spiffeBundleUrl': ignored('istiod fetches nothing: put the roots into pem'),
      'caCertificates[].certSigners': ignored('istiod signs everything itself'),
      outboundTrafficPolicy: ignored('node proxies pass what they do not know, as Istio’s do'),
      defaultServiceExportTo: ignored('node proxies hear of every service'),
      defaultDestinationRuleExportTo: OF_ENVOY,
      defaultVirtualServiceExportTo: OF_ENVOY,
      accessLogFile: OF_ENVOY,
      accessLogFormat: OF_ENVOY,
      accessLogEncoding: OF_ENVOY,
      connectTimeout: OF_ENVOY,
      defaultConfig: OF_ENVOY,
      defaultHttpRetryPolicy: OF_ENVOY,
      defaultProviders: OF_ENVOY,
      defaultTrafficPolicy: OF_ENVOY,
      dnsRefreshRate: OF_ENVOY,
      enableAutoMtls: OF_ENVOY,
      enableTracing: OF_ENVOY,
      extensionProviders: OF_ENVOY,
      hboneIdleTimeout: OF_ENVOY,
      localityLbSetting: OF_ENVOY,
      meshMTLS: OF_ENVOY,
      pathNormalization: OF_ENVOY,
      protocolDetectionTimeout: OF_ENVOY,
      tlsDefaults: OF_ENVOY,
      zoneAwareLbSetting: OF_ENVOY,
    },
  }),
]
