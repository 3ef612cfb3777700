import { expect, test } from 'vitest'
import { parseCommand } from './agent-options.ts'

const argv = ['--config-dir', '/etc/mesh']
const env = { NODE_NAME: 'n1' }

test('parseCommand() has upstream’s defaults, except for DNS capture', () => {
  expect(parseCommand(argv, env)).toMatchObject({
    kind: 'run',
    options: {
      nodeName: 'n1',
      configDirectory: '/etc/mesh',
      podNamespace: 'istio-system',
      runDirectory: '/var/run/istio-cni',
      zdsSocket: '/var/run/ztunnel/ztunnel.sock',
      settings: {
        ipv6: true,
        dnsCapture: false,
        probe: { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' },
      },
      healthPort: 8000,
      monitoringPort: 15_014,
      redirect: { mode: 'iptables', forcedIptables: undefined, scopedLocks: true },
      logLevel: 'info',
    },
  })
})

test('parseCommand() reads what is set', () => {
  const more = {
    ...env,
    EXCLUDE_NAMESPACES: 'a, b',
    AMBIENT_DNS_CAPTURE: 'true',
    AMBIENT_IPV6: 'false',
    HOST_PROBE_SNAT_IPV6: 'FD00::01',
    MONITORING_PORT: '0',
  }
  const command = parseCommand(['--config-dir=/x=y', '--health-port', '1'], more)
  expect(command).toMatchObject({
    options: {
      configDirectory: '/x=y',
      healthPort: 1,
      monitoringPort: 0,
      settings: { ipv6: false, dnsCapture: true, probe: { v6: 'fd00::1' } },
    },
  })
  expect(command.kind === 'run' && [...command.options.selection.excludeNamespaces]).toEqual(['a', 'b'])
})

test.each([
  { argv: ['--help'], kind: 'help' },
  { argv: ['--version', '--config-dir', 'x'], kind: 'version' },
])('parseCommand() understands $kind', ({ argv: words, kind }) => {
  expect(parseCommand(words, {})).toEqual({ kind })
})

test.each([
  { name: 'no node', words: argv, more: { NODE_NAME: '' }, says: 'NODE_NAME' },
  { name: 'no directory', words: [], more: {}, says: '--config-dir' },
  { name: 'a flag without its value', words: ['--config-dir'], more: {}, says: '--config-dir' },
  { name: 'an unknown flag', words: [...argv, '--fast'], more: {}, says: '--fast' },
  {
    name: 'a boolean that is none',
    words: argv,
    more: { AMBIENT_IPV6: 'maybe' },
    says: 'AMBIENT_IPV6 "maybe"',
  },
  { name: 'a port that is none', words: argv, more: { MONITORING_PORT: '99999' }, says: 'MONITORING_PORT' },
  {
    name: 'an address of the wrong family',
    words: argv,
    more: { HOST_PROBE_SNAT_IP: 'fd00::1' },
    says: 'HOST_PROBE_SNAT_IP',
  },
  {
    name: 'selectors that are none',
    words: argv,
    more: { AMBIENT_ENABLEMENT_SELECTOR: '{' },
    says: 'selectors',
  },
])('parseCommand() refuses $name', ({ words, more, says }) => {
  expect(() => parseCommand(words, { ...env, ...more })).toThrow(says)
})
