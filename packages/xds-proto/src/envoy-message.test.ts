import { expect, test } from 'vitest'
import { encodeEnvoyMessage, type EnvoyFields } from './envoy-message.ts'

const hex = (typeName: string, json: EnvoyFields): string =>
  Buffer.from(encodeEnvoyMessage(typeName, json)).toString('hex')

test.each<{ name: string; type: string; json: EnvoyFields; expected: string }>([
  {
    name: 'a text, an enum by its name, a duration and a wrapper',
    type: 'envoy.config.cluster.v3.Cluster',
    json: { name: 'a', type: 'EDS', connect_timeout: '1.5s', per_connection_buffer_limit_bytes: 7 },
    expected: '0a01611003220808011080cab5ee012a020807',
  },
  {
    name: 'an Any by its fields, and a member that is undefined not at all',
    type: 'envoy.config.core.v3.TypedExtensionConfig',
    json: { name: 'n', typed_config: { '@type': 'google.protobuf.StringValue', value: undefined } },
    expected:
      '0a016e' +
      '1231' +
      '0a2f' +
      Buffer.from('type.googleapis.com/google.protobuf.StringValue').toString('hex'),
  },
  {
    name: 'numbers one after another in one field',
    type: 'envoy.config.route.v3.RetryPolicy',
    json: { retriable_status_codes: [503, 504] },
    expected: '3a04f703f803',
  },
])('encodeEnvoyMessage() writes $name', ({ type, json, expected }) => {
  expect(hex(type, json)).toBe(expected)
})

test.each<{ type: string; json: EnvoyFields; says: string }>([
  {
    type: 'envoy.config.cluster.v3.Cluster',
    json: { nmae: 'a' },
    says: 'Cannot encode envoy.config.cluster.v3.Cluster: it has no field "nmae"',
  },
  {
    type: 'envoy.config.cluster.v3.Cluster',
    json: { type: 'EDSS' },
    says: 'Cannot encode envoy.config.cluster.v3.Cluster.type: it has no value "EDSS"',
  },
  {
    type: 'envoy.config.cluster.v3.Cluster',
    json: { connect_timeout: 'soon' },
    says: '"soon" is no number of seconds',
  },
  {
    type: 'envoy.config.core.v3.TypedExtensionConfig',
    json: { typed_config: {} },
    says: '"@type" is missing',
  },
  {
    type: 'envoy.config.route.v3.RetryPolicy',
    json: { retriable_status_codes: 503 },
    says: 'retriable_status_codes: it must be a list',
  },
  {
    type: 'envoy.config.route.v3.RouteConfiguration',
    json: { virtual_hosts: ['a'] },
    says: 'it must be a map',
  },
])('encodeEnvoyMessage() refuses $json of $type', ({ type, json, says }) => {
  expect(() => encodeEnvoyMessage(type, json)).toThrow(says)
})
