import type { EnvoyFields } from '@ambient/xds-proto'
import { FILTER_STATE } from './envoy-names.ts'
import { typed } from './envoy-resource.ts'

/** How an object of filter state is kept when it has no type of its own. */
export const HASHABLE = 'envoy.hashable_string'

export function httpFilter(name: string, type: string, fields: EnvoyFields = {}): EnvoyFields {
  return { name, typed_config: typed(type, fields) }
}

export const ROUTER: EnvoyFields = httpFilter(
  'envoy.filters.http.router',
  'envoy.extensions.filters.http.router.v3.Router',
)

/** An object of filter state that the next internal connection sees, and none after it. */
export function shared(key: string, format: string, factory?: string): EnvoyFields {
  return {
    object_key: key,
    factory_key: factory,
    format_string: { text_format_source: { inline_string: format } },
    shared_with_upstream: 'ONCE',
  }
}

/** What one of Envoy's commands writes: `%COMMAND(what)%`. */
export function stateFormat(command: string, what: string): string {
  return `%${command}(${what})%`
}

/** What a client says of itself is taken away before anything reads it. */
export const WITHOUT_CLAIMS: EnvoyFields = httpFilter(
  'strip_claims',
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
  {
    mutations: {
      request_mutations: [{ remove: 'x-forwarded-client-cert' }, { remove: 'x-envoy-original-path' }],
    },
  },
)

/** Passes the destination on to the tunnel that is made next, where no endpoint's metadata will say it. */
export const ADDRESS_ON: EnvoyFields = {
  name: 'connect_authority',
  typed_config: typed('envoy.extensions.filters.network.set_filter_state.v3.Config', {
    on_new_connection: [
      shared(FILTER_STATE.destination, stateFormat('FILTER_STATE', `${FILTER_STATE.destination}:PLAIN`)),
    ],
  }),
}
