/** @see Istio API networking/v1: ServiceEntry, WorkloadEntry */
import { atMostOne, list, map, object, oneOf, portNumber, type Schema, text } from './schema.ts'

const entryFields: Readonly<Record<string, Schema>> = {
  address: text('An IP address, a host name with resolution DNS, or unix://PATH.', 256),
  ports: {
    ...map(portNumber(''), 128),
    description: 'Ports of this endpoint by the names of the service’s ports.',
    'x-kubernetes-validations': [
      {
        rule: "self.all(key, size(key) < 63 && key.matches('^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$'))",
        message: 'port name must be valid',
      },
    ],
  },
  labels: { ...map(text(''), 256), description: 'Its labels.' },
  network: text('Which network the address is on.', 2048),
  locality: text('REGION/ZONE/SUBZONE.', 2048),
  weight: { type: 'integer', minimum: 0, maximum: 4_294_967_295, description: 'Its share of connections.' },
  serviceAccount: text('Whose identity it has, in its namespace.', 253),
}

const unixOrPorts = {
  rule: "(has(self.address) ? self.address : '').startsWith('unix://') ? !has(self.ports) : true",
  message: 'UDS may not include ports',
}
const addressOrNetwork = { rule: 'has(self.address) || has(self.network)', message: 'Address is required' }

export const workloadEntry: Schema = object('A workload that is no pod.', entryFields, {
  rules: [addressOrNetwork, unixOrPorts],
})

const endpoint = object('One endpoint.', entryFields, { rules: [addressOrNetwork, unixOrPorts] })

export const serviceEntry: Schema = object(
  'A service that Kubernetes does not know.',
  {
    hosts: list(
      {
        ...text('', 256),
        'x-kubernetes-validations': [{ rule: "self != '*'", message: 'hostname cannot be wildcard' }],
      },
      { min: 1, max: 256 },
    ),
    addresses: list(text('An address or CIDR.', 64), { max: 256 }),
    ports: {
      ...list(
        object(
          'One port.',
          {
            number: portNumber('The port that clients dial.'),
            protocol: text('HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.', 256),
            name: { ...text('Its name.', 256), minLength: 1 },
            targetPort: portNumber('The port of the endpoints, if it is another.'),
          },
          { required: ['number', 'name'] },
        ),
        { max: 256 },
      ),
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      'x-kubernetes-validations': [
        {
          rule: 'self.all(l1, self.exists_one(l2, l1.number == l2.number))',
          message: 'port number cannot be duplicated',
        },
      ],
    },
    location: oneOf('Whether it is part of the mesh.', ['MESH_EXTERNAL', 'MESH_INTERNAL']),
    resolution: oneOf('How endpoints are found.', [
      'NONE',
      'STATIC',
      'DNS',
      'DNS_ROUND_ROBIN',
      'DYNAMIC_DNS',
    ]),
    endpoints: list(endpoint, { max: 4096 }),
    workloadSelector: object('The pods and workload entries that are its endpoints.', {
      labels: { ...map(text('', 63), 256), description: 'All of these labels.' },
    }),
    exportTo: list(text(''), { max: 256 }),
    subjectAltNames: list(text(''), { max: 256 }),
  },
  {
    required: ['hosts'],
    rules: [
      atMostOne(['workloadSelector', 'endpoints']),
      {
        rule: "!((has(self.resolution) ? self.resolution : 'NONE') == 'NONE' && has(self.endpoints))",
        message: 'NONE mode cannot set endpoints',
      },
      {
        rule: "(has(self.resolution) ? self.resolution : '') == 'DNS_ROUND_ROBIN' ? (!has(self.endpoints) || size(self.endpoints) <= 1) : true",
        message: 'DNS_ROUND_ROBIN mode cannot have multiple endpoints',
      },
      {
        rule: "!(has(self.addresses) && self.addresses.exists(k, k.contains('/')) && !((has(self.resolution) ? self.resolution : 'NONE') in ['STATIC', 'NONE']))",
        message: 'CIDR addresses are allowed only for NONE/STATIC resolution types',
      },
    ],
  },
)
