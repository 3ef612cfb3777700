import { type CompatibilityTable, defineCompatibility, golden, ignored, supported } from './compatibility.ts'

const STATIC = golden('service-entry-static')
const SELECTOR = golden('service-entry-selector')
const ENTRIES = golden('workload-entries')
const LABELS = golden('entry-labels')
const ALLOCATED = supported(
  'apps/istiod/test/allocation.test.ts › startIstiod() twice on one directory gives each ServiceEntry its virtual IPs once, and a restart keeps them',
)

/** Istio's own services and workloads. */
export const ENTRY_COMPATIBILITY: readonly CompatibilityTable[] = [
  defineCompatibility({
    kind: 'ServiceEntry',
    isWhole: true,
    fields: {
      'metadata.creationTimestamp': golden(
        'service-entry-duplicates',
        'of two for one host the older counts',
      ),
      'spec.hosts': golden(
        'service-entry-dns',
        'wildcards are sent as they are; only a waypoint resolves them',
      ),
      'spec.addresses': STATIC,
      'spec.ports[].number': STATIC,
      'spec.ports[].name': SELECTOR,
      'spec.ports[].protocol': STATIC,
      'spec.ports[].targetPort': STATIC,
      'spec.location': ignored('endpoints are reached as their own labels say', ['MESH_EXTERNAL']),
      'spec.resolution': golden('service-entry-dns', 'NONE, STATIC, DNS, DNS_ROUND_ROBIN, DYNAMIC_DNS'),
      'spec.endpoints[].address': golden(
        'service-entry-static',
        'a Unix socket is left out, and a warning says so',
      ),
      'spec.endpoints[].ports': STATIC,
      'spec.endpoints[].labels': golden(
        'waypoint-references',
        'for its waypoint; policies and names go by the labels of the ServiceEntry',
      ),
      'spec.endpoints[].network': STATIC,
      'spec.endpoints[].locality': STATIC,
      'spec.endpoints[].weight': STATIC,
      'spec.endpoints[].serviceAccount': STATIC,
      'spec.workloadSelector': SELECTOR,
      'spec.exportTo': ignored(
        'node proxies hear of every ServiceEntry that serviceEntryVisibility shows them',
      ),
      'spec.subjectAltNames': STATIC,
      'status.addresses': ALLOCATED,
    },
    labels: {
      'istio.io/rev': golden('revisions'),
      'networking.istio.io/enable-autoallocate-ip': golden('service-entry-allocated'),
      'networking.istio.io/tunnel': STATIC,
      app: STATIC,
      version: STATIC,
      'service.istio.io/canonical-name': LABELS,
      'service.istio.io/canonical-revision': LABELS,
      'app.kubernetes.io/name': LABELS,
      'app.kubernetes.io/version': LABELS,
    },
    annotations: {
      'networking.istio.io/traffic-distribution': STATIC,
    },
  }),
  defineCompatibility({
    kind: 'WorkloadEntry',
    isWhole: true,
    fields: {
      'spec.address': golden('workload-entries', 'a Unix socket is left out, and a warning says so'),
      'spec.ports': SELECTOR,
      'spec.labels': ENTRIES,
      'spec.network': ENTRIES,
      'spec.locality': ENTRIES,
      'spec.weight': ENTRIES,
      'spec.serviceAccount': ENTRIES,
    },
    labels: {
      'istio.io/rev': golden('revisions'),
      'networking.istio.io/tunnel': ENTRIES,
      'service.istio.io/workload-name': ENTRIES,
      'service.istio.io/canonical-name': ENTRIES,
      'service.istio.io/canonical-revision': ENTRIES,
      app: ENTRIES,
      version: LABELS,
      'app.kubernetes.io/name': LABELS,
      'app.kubernetes.io/version': LABELS,
    },
    annotations: {
      'ambient.istio.io/redirection': ENTRIES,
      'istio.io/autoRegistrationGroup': ENTRIES,
    },
  }),
]
