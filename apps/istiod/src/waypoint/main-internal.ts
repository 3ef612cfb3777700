import { isIpv6 } from '@ambient/model'
import type { EnvoyFields } from '@ambient/xds-proto'
import { type Chain, directChains, serviceChains } from './chains.ts'
import { ORIGINAL_DST } from './connect-originate.ts'
import { type ChainProtocol, ENVOY_NAMES, servicePortName } from './envoy-names.ts'
import { type NamedFields, typed } from './envoy-resource.ts'
import type { L7Policy } from './l7-policy.ts'
import type { ServedPort, ServedService, ServedTraffic } from './served-traffic.ts'

/**
 * The listener inside: the destination that the tunnel was opened to chooses the chain, and one that is not served is
 * closed.
 */
export function mainInternal(traffic: ServedTraffic, chains: readonly Chain[]): NamedFields {
  return {
    name: ENVOY_NAMES.internal,
    internal_listener: {},
    traffic_direction: 'INBOUND',
    listener_filters_timeout: '5s',
    continue_on_listener_filters_timeout: true, // a server that speaks first has no client's bytes to tell it by
    listener_filters: [ORIGINAL_DST, httpInspector(traffic)],
    ...(chains.length === 0 ? {} : { filter_chain_matcher: chainMatcher(traffic) }),
    filter_chains: chains.length === 0 ? [CLOSED] : chains.map(({ name, filters }) => ({ name, filters })),
  }
}

/** Everything is closed while nothing is served: a listener must have a chain, and this one admits nobody. */
const CLOSED: EnvoyFields = {
  name: 'closed',
  filters: [
    {
      name: 'envoy.filters.network.rbac',
      typed_config: typed('envoy.extensions.filters.network.rbac.v3.RBAC', {
        stat_prefix: 'closed.',
        rules: { action: 'ALLOW' },
      }),
    },
    {
      name: 'envoy.filters.network.tcp_proxy',
      typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
        stat_prefix: 'closed',
        cluster: 'closed',
      }),
    },
  ],
}

/** All chains of what is served, in the order of their names. */
export function servedChains(
  traffic: ServedTraffic,
  policiesOf: (service: ServedService | undefined) => readonly L7Policy[],
): readonly Chain[] {
  const ofServices = traffic.services
    .filter(({ ips }) => ips.length > 0) // without an address nobody can send to it; routes of others may
    .flatMap((service) => serviceChains(service, policiesOf(service)))
  const direct = traffic.workloadIps.length === 0 ? [] : directChains(policiesOf(undefined))
  return [...ofServices, ...direct].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function chainMatcher({ services, workloadIps }: ServedTraffic): EnvoyFields {
  const ofServices = services
    .filter(({ ips, ports }) => ips.length > 0 && ports.length > 0)
    .map((service) => ({ ranges: service.ips.map(range), on_match: byPort(service) }))
  const ofWorkloads =
    workloadIps.length === 0
      ? []
      : [
          {
            ranges: workloadIps.map(range),
            on_match: sniffed(ENVOY_NAMES.directHttp, ENVOY_NAMES.directTcp),
          },
        ]
  return {
    matcher_tree: {
      input: input('DestinationIPInput'),
      custom_match: {
        name: 'ip',
        typed_config: typed('xds.type.matcher.v3.IPMatcher', {
          range_matchers: [...ofServices, ...ofWorkloads],
        }),
      },
    },
  }
}

function byPort({ service, ports }: ServedService): EnvoyFields {
  const name = (port: ServedPort, protocol: ChainProtocol): string =>
    servicePortName(service.hostname, port.port, protocol)
  const map = ports.map((port): [string, EnvoyFields] => {
    const [only, ...others] = port.protocols
    const isPlain = only !== undefined && others.length === 0
    return [
      String(port.port),
      isPlain ? toChain(name(port, only)) : sniffed(name(port, 'http'), name(port, 'tcp')),
    ]
  })
  return {
    matcher: {
      matcher_tree: {
        input: input('DestinationPortInput'),
        exact_match_map: { map: Object.fromEntries(map) },
      },
    },
  }
}

/** The first bytes tell. */
function sniffed(http: string, tcp: string): EnvoyFields {
  return {
    matcher: {
      matcher_tree: {
        input: input('ApplicationProtocolInput'),
        exact_match_map: { map: { "'h2c'": toChain(http), "'http/1.1'": toChain(http) } },
      },
      on_no_match: toChain(tcp),
    },
  }
}

function toChain(name: string): EnvoyFields {
  return { action: { name, typed_config: typed('google.protobuf.StringValue', { value: name }) } }
}

function range(ip: string): EnvoyFields {
  return { address_prefix: ip, prefix_len: isIpv6(ip) ? 128 : 32 }
}

function input(name: string): EnvoyFields {
  return { name, typed_config: typed(`envoy.extensions.matching.common_inputs.network.v3.${name}`) }
}

/** Looks at the first bytes, and waits for them, only on ports where they must tell. */
function httpInspector({ services, workloadIps }: ServedTraffic): EnvoyFields {
  const ports = services.flatMap((service) => service.ports)
  const sniffing = new Set(ports.flatMap(({ port, protocols }) => (protocols.length > 1 ? [port] : [])))
  const declared = [...new Set(ports.map(({ port }) => port))].filter((port) => !sniffing.has(port))
  const rules = declared
    .toSorted((a, b) => a - b)
    .map((port) => ({ destination_port_range: { start: port, end: port + 1 } }))
  const disabled = rules.length > 1 ? { or_match: { rules } } : rules[0] // an `or_match` of one is refused
  return {
    name: 'envoy.filters.listener.http_inspector',
    typed_config: typed('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector'),
    ...(workloadIps.length > 0 || disabled === undefined ? {} : { filter_disabled: disabled }),
  }
}
