import { stringify } from 'yaml'
import { resourceKinds, type KindName } from '@ambient/kube'
import { serviceEntry, workloadEntry } from './networking-schemas.ts'
import { object, type Schema } from './schema.ts'
import { authorizationPolicy, peerAuthentication } from './security-schemas.ts'

interface Definition {
  readonly kind: Extract<
    KindName,
    'AuthorizationPolicy' | 'PeerAuthentication' | 'ServiceEntry' | 'WorkloadEntry'
  >
  readonly spec: Schema
  /** Whether an object without spec means nothing. */
  readonly needsSpec: boolean
  /** The one that is stored first; all have one schema. */
  readonly versions: readonly string[]
  readonly shortNames: readonly string[]
  readonly columns: readonly Column[]
}

interface Column {
  readonly name: string
  readonly type: 'string' | 'date'
  readonly jsonPath: string
  readonly description: string
}

const AGE: Column = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'When it was made',
}

const definitions: readonly Definition[] = [
  {
    kind: 'AuthorizationPolicy',
    spec: authorizationPolicy,
    needsSpec: false,
    versions: ['v1', 'v1beta1'],
    shortNames: ['ap'],
    columns: [
      { name: 'Action', type: 'string', jsonPath: '.spec.action', description: 'What a match means' },
      AGE,
    ],
  },
  {
    kind: 'PeerAuthentication',
    spec: peerAuthentication,
    needsSpec: false,
    versions: ['v1', 'v1beta1'],
    shortNames: ['pa'],
    columns: [
      {
        name: 'Mode',
        type: 'string',
        jsonPath: '.spec.mtls.mode',
        description: 'Whether plaintext is taken',
      },
      AGE,
    ],
  },
  {
    kind: 'ServiceEntry',
    spec: serviceEntry,
    needsSpec: true,
    versions: ['v1', 'v1beta1', 'v1alpha3'],
    shortNames: ['se'],
    columns: [
      { name: 'Hosts', type: 'string', jsonPath: '.spec.hosts', description: 'Its hosts' },
      {
        name: 'Location',
        type: 'string',
        jsonPath: '.spec.location',
        description: 'Whether it is part of the mesh',
      },
      {
        name: 'Resolution',
        type: 'string',
        jsonPath: '.spec.resolution',
        description: 'How endpoints are found',
      },
      AGE,
    ],
  },
  {
    kind: 'WorkloadEntry',
    spec: workloadEntry,
    needsSpec: true,
    versions: ['v1', 'v1beta1', 'v1alpha3'],
    shortNames: ['we'],
    columns: [
      AGE,
      { name: 'Address', type: 'string', jsonPath: '.spec.address', description: 'Where it is' },
    ],
  },
]

const condition = object(
  '',
  {
    type: { type: 'string' },
    status: { type: 'string' },
    reason: { type: 'string' },
    message: { type: 'string' },
    lastTransitionTime: { type: 'string', format: 'date-time' },
    lastProbeTime: { type: 'string', format: 'date-time' },
    observedGeneration: { type: 'integer', format: 'int64' },
  },
  { required: ['type'] },
)

/** What the mesh says of an object, and whatever others that know it say. */
const status: Schema = {
  ...object('', {
    conditions: {
      type: 'array',
      items: condition,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    },
    observedGeneration: { type: 'integer', format: 'int64' },
  }),
  'x-kubernetes-preserve-unknown-fields': true,
}

/** The definitions of our custom resources, as YAML for the chart. */
export function makeCrds(): string {
  const documents = definitions.map((each) => stringify(definitionOf(each), { lineWidth: 0 }))
  return `{{- if .Values.enableIstioConfigCRDs }}\n${NOTE}${documents.join('---\n')}{{- end }}\n`
}

const NOTE =
  '# Made by tools/crds/main.ts from the schemas beside it: change those, then run it again.\n# They stay when the chart goes, since they hold what users wrote: kubectl delete crd -l app.kubernetes.io/part-of=ambient\n'

function definitionOf({ kind, spec, needsSpec, versions, shortNames, columns }: Definition): object {
  const { group, plural } = resourceKinds[kind]
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      labels: {
        'app.kubernetes.io/part-of': 'ambient',
        istio: group.startsWith('security') ? 'security' : 'pilot',
      },
      annotations: { 'helm.sh/resource-policy': 'keep' },
    },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames,
        categories: ['istio-io', `${group.split('.')[0]}-istio-io`],
      },
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        additionalPrinterColumns: columns,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: object('', { spec, status }, needsSpec ? { required: ['spec'] } : {}),
        },
      })),
    },
  }
}
