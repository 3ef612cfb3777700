import type { EnvoyFields } from '@ambient/xds-proto'
import { ENVOY_NAMES } from './envoy-names.ts'
import { type NamedFields, typed } from './envoy-resource.ts'

export const ORIGINAL_DST: EnvoyFields = {
  name: 'envoy.filters.listener.original_dst',
  typed_config: typed('envoy.extensions.filters.listener.original_dst.v3.OriginalDst'),
}

/**
 * The inner listener that makes the tunnel to the destination's node proxy. The endpoint names the identity that must be
 * proved there, so that a workload that takes over an address is refused, and a kept tunnel of its predecessor not used.
 */
export const CONNECT_ORIGINATE: NamedFields = {
  name: ENVOY_NAMES.originate,
  internal_listener: {},
  listener_filters: [ORIGINAL_DST],
  filter_chains: [
    {
      filters: [
        {
          name: 'expected_identity',
          typed_config: typed('envoy.extensions.filters.network.set_filter_state.v3.Config', {
            on_new_connection: [
              {
                object_key: 'envoy.network.upstream_subject_alt_names',
                format_string: {
                  text_format_source: { inline_string: '%DYNAMIC_METADATA(istio:identity)%' },
                  omit_empty_values: true,
                },
                skip_if_empty: true,
                shared_with_upstream: 'ONCE',
              },
            ],
          }),
        },
        {
          name: 'envoy.filters.network.tcp_proxy',
          typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
            stat_prefix: ENVOY_NAMES.originate,
            cluster: ENVOY_NAMES.originate,
            tunneling_config: { hostname: '%DOWNSTREAM_LOCAL_ADDRESS%' },
          }),
        },
      ],
    },
  ],
}
