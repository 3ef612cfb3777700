import type { EnvoyFields } from '@ambient/xds-proto'

/** What an Envoy subscribes to, each under the message that it is sent as. */
export const ENVOY_MESSAGES = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  filter: 'envoy.config.core.v3.TypedExtensionConfig',
} as const

export type EnvoyResourceKind = keyof typeof ENVOY_MESSAGES

/** One resource of an Envoy in its JSON form: what `encodeEnvoyMessage` takes. */
export interface EnvoyResource {
  readonly kind: EnvoyResourceKind
  readonly name: string
  readonly json: EnvoyFields
}

/** A message that has its name in it. */
export interface NamedFields extends EnvoyFields {
  readonly name: string
}

/** A message where Envoy takes one of any type. */
export function typed(type: string, fields: EnvoyFields = {}): EnvoyFields {
  return { '@type': `type.googleapis.com/${type}`, ...fields }
}

/** Asked for over the stream that everything else comes by. What it is for stays closed until it is there. */
export const FROM_ADS: EnvoyFields = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' }
