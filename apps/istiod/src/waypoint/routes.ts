import type { EnvoyFields } from '@ambient/xds-proto'
import { type NamedFields, typed } from './envoy-resource.ts'

/** The routes of a service that nobody has made routes for: everything to its own endpoints. */
export function defaultRoutes(
  name: string,
  port: number,
  { cluster, isRetried }: { readonly cluster: string; readonly isRetried: boolean },
): NamedFields {
  return {
    name,
    validate_clusters: false, // a route may come before its cluster
    virtual_hosts: [
      {
        name: `inbound|http|${port}`,
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: { prefix: '/' },
            route: { cluster, timeout: '0s', ...(isRetried ? { retry_policy: DEFAULT_RETRY } : {}) },
          },
        ],
      },
    ],
  }
}

/** With fewer attempts to find another host, some requests fail while one host of two is dead. */
const DEFAULT_RETRY: EnvoyFields = {
  retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
  num_retries: 2,
  host_selection_retry_max_attempts: 20,
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: typed('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'),
    },
  ],
}
