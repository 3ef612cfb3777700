// Generates packages/xds-proto/src/generated/envoy.js: what Envoy's messages look like, those that a waypoint is
// configured with and all that these are made of. The .proto files come with @grpc/grpc-js-xds. Runs on the pinned Node.
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import protobuf from 'protobufjs'

const root = join(import.meta.dirname, '..', '..')
const require = createRequire(import.meta.url)
const deps = join(dirname(require.resolve('@grpc/grpc-js-xds/package.json')), 'deps')
const places = [
  ...['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) => join(deps, name)),
  dirname(require.resolve('protobufjs/package.json')),
]

/** Files whose messages are sent by name, each under `envoy/` in the API's tree; a folder stands for all in it. */
const WANTED = [
  ...['cluster', 'listener', 'route', 'endpoint', 'core', 'rbac', 'accesslog'].map(
    (name) => `config/${name}/v3/`,
  ),
  'service/discovery/v3/discovery.proto',
  'extensions/access_loggers/file/v3/',
  'extensions/transport_sockets/tls/v3/',
  'extensions/transport_sockets/internal_upstream/v3/',
  'extensions/transport_sockets/raw_buffer/v3/',
  'extensions/upstreams/http/v3/',
  'extensions/matching/common_inputs/network/v3/',
  'extensions/retry/host/previous_hosts/v3/',
  ...[
    'header_to_metadata',
    'set_filter_state',
    'router',
    'header_mutation',
    'jwt_authn',
    'rbac',
    'fault',
    'cors',
  ].map((name) => `extensions/filters/http/${name}/v3/`),
  ...['http_connection_manager', 'tcp_proxy', 'rbac', 'set_filter_state'].map(
    (name) => `extensions/filters/network/${name}/v3/`,
  ),
  ...['original_dst', 'http_inspector'].map((name) => `extensions/filters/listener/${name}/v3/`),
]
const XDS_FILES = ['xds/type/matcher/v3/ip.proto', 'xds/type/matcher/v3/matcher.proto']

/** Messages that are sent by name: each is kept, with all that it is made of. */
const ROOTS = [
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.listener.v3.Listener',
  'envoy.config.route.v3.RouteConfiguration',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.config.core.v3.TypedExtensionConfig',
  'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  'envoy.extensions.access_loggers.stats.v3.Config',
  'envoy.extensions.filters.http.cors.v3.Cors',
  'envoy.extensions.filters.http.fault.v3.HTTPFault',
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
  'envoy.extensions.filters.http.header_to_metadata.v3.Config',
  'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
  'envoy.extensions.filters.http.rbac.v3.RBAC',
  'envoy.extensions.filters.http.router.v3.Router',
  'envoy.extensions.filters.http.set_filter_state.v3.Config',
  'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
  'envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.rbac.v3.RBAC',
  'envoy.extensions.filters.network.set_filter_state.v3.Config',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  'envoy.extensions.matching.common_inputs.network.v3.ApplicationProtocolInput',
  'envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput',
  'envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput',
  'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
  'envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport',
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  'google.protobuf.StringValue',
  'xds.type.matcher.v3.IPMatcher',
]

const loaded = new protobuf.Root()
loaded.resolvePath = (_origin, target) =>
  existsSync(target) ? target : (places.map((place) => join(place, target)).find(existsSync) ?? target)
await loaded.load(
  [
    ...WANTED.flatMap((name) => protosIn(join('envoy', name))),
    ...XDS_FILES,
    join(import.meta.dirname, 'envoy-overlay.proto'),
  ],
  { keepCase: true },
)
addNewerFields(loaded)
loaded.resolveAll()

const kept = new Set()
for (const name of ROOTS) keep(loaded.lookupTypeOrEnum(name))
const out = join(root, 'packages/xds-proto/src/generated')
write('envoy.js', `export const envoyMessages = ${JSON.stringify(prune(loaded.toJSON(), ''))}\n`)
write('envoy.d.ts', "import type { INamespace } from 'protobufjs'\nexport const envoyMessages: INamespace\n")

/** Aside and then moved, so that an interrupted run leaves no half of a file. @param {string} name @param {string} text */
function write(name, text) {
  const aside = join(out, `${name}.${process.pid}`)
  writeFileSync(aside, text)
  renameSync(aside, join(out, name))
}

/** @param {string} name @returns {readonly string[]} */
function protosIn(name) {
  if (name.endsWith('.proto')) return [name]
  return readdirSync(join(deps, 'envoy-api', name))
    .filter((file) => file.endsWith('.proto'))
    .map((file) => join(name, file))
}

/** Fields of Envoy 1.40 in messages that the .proto files have in an older form. @param {protobuf.Root} of */
function addNewerFields(of) {
  const matcher = of.lookup('envoy.type.matcher.v3')
  if (!(matcher instanceof protobuf.Namespace)) throw new Error('envoy.type.matcher.v3 is no namespace')
  const ranges = new protobuf.Field('ranges', 1, 'xds.core.v3.CidrRange', 'repeated')
  matcher.add(new protobuf.Type('AddressMatcher').add(ranges))
  matcher.lookupType('FilterStateMatcher').add(new protobuf.Field('address_match', 3, 'AddressMatcher'))
}

/** @param {protobuf.Type | protobuf.Enum} object */
function keep(object) {
  const name = object.fullName.slice(1)
  if (kept.has(name)) return
  kept.add(name)
  if (!(object instanceof protobuf.Type)) return
  for (const field of object.fieldsArray) {
    field.resolve() // after types were added, resolveAll leaves some fields as they are
    if (field.resolvedType !== null) keep(field.resolvedType)
  }
}

/**
 * What is kept of a namespace, without the rules and comments that only other tools read.
 *
 * @param {any} node @param {string} path @returns {any}
 */
function prune(node, path) {
  const nested = Object.entries(node.nested ?? {}).flatMap(([name, child]) => {
    const at = path === '' ? name : `${path}.${name}`
    const isType = child.fields !== undefined || child.values !== undefined
    const pruned = prune(child, at)
    if (isType ? kept.has(at) || pruned.nested !== undefined : pruned.nested !== undefined)
      return [[name, pruned]]
    return []
  })
  const { options: _options, comment: _comment, nested: _nested, ...rest } = node
  if (rest.fields !== undefined)
    rest.fields = Object.fromEntries(Object.entries(rest.fields).map(([name, field]) => [name, plain(field)]))
  return nested.length === 0 ? rest : { ...rest, nested: Object.fromEntries(nested) }
}

/** @param {any} field @returns {any} */
function plain({ options, comment: _comment, ...field }) {
  const packed = options?.packed
  return packed === undefined ? field : { ...field, options: { packed } }
}
