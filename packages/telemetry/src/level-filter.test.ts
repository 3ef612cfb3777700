import { expect, test } from 'vitest'
import { LevelFilter } from './level-filter.ts'
import { TelemetryError } from './telemetry-error.ts'

test.each([
  { filter: 'info', scope: 'xds', level: 'info', expected: true },
  { filter: 'info', scope: 'xds', level: 'debug', expected: false },
  { filter: 'info,access=debug', scope: 'access', level: 'debug', expected: true },
  { filter: 'info,access=debug', scope: 'accessory', level: 'debug', expected: false },
  { filter: 'info,access=debug', scope: 'access::policy', level: 'debug', expected: true },
  { filter: 'info,proxy=warn,proxy.pool=trace', scope: 'proxy.pool', level: 'trace', expected: true },
  { filter: 'info,proxy=warn,proxy.pool=trace', scope: 'proxy', level: 'info', expected: false },
  { filter: 'debug,hickory_server=off', scope: 'hickory_server', level: 'error', expected: false },
  { filter: 'access=info', scope: 'xds', level: 'error', expected: true },
  { filter: 'access=info', scope: 'xds', level: 'warn', expected: false },
  { filter: 'access', scope: 'access', level: 'trace', expected: true },
  { filter: 'off', scope: 'xds', level: 'error', expected: false },
  { filter: '', scope: 'xds', level: 'error', expected: true },
  { filter: ' WARN , access = debug', scope: 'xds', level: 'warn', expected: true },
  { filter: 'debug,info', scope: 'xds', level: 'debug', expected: false },
] as const)(
  'LevelFilter "$filter" lets $level of $scope through: $expected',
  ({ filter, scope, level, expected }) => {
    expect(LevelFilter.parse(filter).allows(scope, level)).toBe(expected)
  },
)

test.each(['a=b', 'a=info=debug', '=info', 'a=', Array.from({ length: 101 }, (_, i) => `s${i}=info`).join()])(
  'LevelFilter.parse() refuses "%s"',
  (text) => expect(() => LevelFilter.parse(text)).toThrow(TelemetryError),
)

test('LevelFilter.change() replaces scopes that are named again, and reset() goes back', () => {
  const filter = LevelFilter.parse('info,access=debug')
  filter.change('access=warn,xds=trace')
  expect(filter.toString()).toBe('info,xds=trace,access=warn')
  filter.change('debug')
  expect(filter.toString()).toBe('debug,xds=trace,access=warn')
  expect(() => filter.change('access=loud')).toThrow(
    'Cannot parse log filter: "loud" is none of off, error, warn, info, debug, trace',
  )
  filter.reset()
  expect(filter.toString()).toBe('info,access=debug')
})
