/** A static bootstrap with all that an Envoy would be sent, each resource where it is referred to, for `--mode validate`. */
import type { EnvoyFields, EnvoyValue } from '@ambient/xds-proto'
import type { EnvoyResource, EnvoyResourceKind } from '../src/waypoint/envoy-resource.ts'

export function inlineBootstrap(resources: readonly EnvoyResource[]): EnvoyFields {
  const named = (kind: EnvoyResourceKind, name: unknown): EnvoyFields => {
    const found = resources.find((each) => each.kind === kind && each.name === name)
    if (found === undefined) throw new Error(`Nothing of kind ${kind} has the name ${String(name)}`)
    return found.json
  }
  const all = (kind: EnvoyResourceKind): EnvoyFields[] =>
    resources.flatMap((each) => (each.kind === kind ? [each.json] : []))
  const inlined = (value: EnvoyValue | undefined): EnvoyValue | undefined => {
    if (Array.isArray(value)) return value.map((each) => inlined(each as EnvoyValue) ?? null)
    if (typeof value !== 'object' || value === null) return value
    const { rds, config_discovery: discovery, ...rest } = value as EnvoyFields
    const fields = Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, inlined(each)]))
    if (rds !== undefined) fields['route_config'] = named('routes', (rds as EnvoyFields)['route_config_name'])
    return discovery === undefined ? fields : { ...fields, ...named('filter', rest['name']) }
  }
  const clusters = all('cluster').map((cluster) => {
    const { eds_cluster_config: eds, ...rest } = cluster
    return eds === undefined
      ? rest
      : { ...rest, type: 'STATIC', load_assignment: named('endpoints', cluster['name']) }
  })
  return {
    node: { id: 'waypoint', cluster: 'waypoint.shop' },
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
        },
      },
    ],
    static_resources: {
      listeners: all('listener').map((each) => inlined(each) ?? {}),
      clusters: [...clusters, AGENT],
    },
  }
}

const AGENT: EnvoyFields = {
  name: 'agent',
  type: 'STATIC',
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
  load_assignment: {
    cluster_name: 'agent',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: '/agent.sock' } } } }] }],
  },
}
