import type { EnvoyFields } from '@ambient/xds-proto'
import { ENVOY_NAMES } from './envoy-names.ts'

/** HTTP/2 of both ends of HBONE. */
export const HBONE_HTTP2: EnvoyFields = {
  allow_connect: true,
  max_concurrent_streams: 100,
  initial_stream_window_size: 4_194_304,
  initial_connection_window_size: 16_777_216,
}

const FROM_AGENT: EnvoyFields = {
  api_config_source: {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    set_node_on_first_message_only: true,
    grpc_services: [{ envoy_grpc: { cluster_name: ENVOY_NAMES.agent } }],
  },
  initial_fetch_timeout: '0s',
  resource_api_version: 'V3',
}

/**
 * Mutual TLS of HBONE: own certificate and roots from the agent, and a peer of the mesh.
 *
 * @param trustDomains The mesh's own and its aliases.
 */
export function hboneTls(trustDomains: readonly string[]): EnvoyFields {
  return {
    alpn_protocols: ['h2'],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: FROM_AGENT }],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: trustDomains.map((domain) => ({
          san_type: 'URI',
          matcher: { prefix: `spiffe://${domain}/` }, // without the last slash, `cluster.local.evil` would do
        })),
      },
      validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: FROM_AGENT },
    },
  }
}
