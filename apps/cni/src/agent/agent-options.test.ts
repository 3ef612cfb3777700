import { expect, test } from 'vitest'
import { parseCommand } from './agent-options.ts'

const argv = ['--config-dir', '/etc/mesh']
const env = { NODE_NAME: 'n1' }

test('parseCommand() has upstream’s defaults', () => {
  expect(parseCommand(argv, env)).toMatchObject({
    kind: 'run',
    options: {
      nodeName: 'n1',
      source: { kind: 'directory', directory: '/etc/mesh' },
      podNamespace: 'istio-system',
      runDirectory: '/var/run/istio-cni',
      zdsSocket: '/var/run/ztunnel/ztunnel.sock',
      settings: {
        ipv6: true,
        dnsCapture: true,
        probe: { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' },
      },
      healthPort: 8000,
      monitoringPort: 15_014,
      redirect: { mode: 'iptables', forcedIptables: undefined, scopedLocks: true },
      logLevel: 'info',
      safeUpgrade: true,
      install: {
        confDirectory: '/host/etc/cni/net.d',
        binDirectory: '/host/opt/cni/bin',
        conf: {
          mode: 'owned',
          ownName: '02-istio-cni.conflist',
          primaryName: undefined,
          fileMode: 0o600,
          plugin: {
            type: 'istio-cni',
            cni_agent_run_dir: '/var/run/istio-cni',
            pod_namespace: 'istio-system',
            exclude_namespaces: ['kube-system'],
          },
        },
      },
    },
  })
})

test.each([
  { more: {}, action: 'repair' },
  { more: { REPAIR_DELETE_PODS: 'true', REPAIR_LABEL_PODS: 'true' }, action: 'repair' },
  {
    more: { REPAIR_REPAIR_PODS: 'false', REPAIR_DELETE_PODS: 'true', REPAIR_LABEL_PODS: 'true' },
    action: 'delete',
  },
  { more: { REPAIR_REPAIR_PODS: 'false', REPAIR_LABEL_PODS: 'true' }, action: 'label' },
  { more: { REPAIR_REPAIR_PODS: 'false' }, action: 'event' },
])('parseCommand() repairs by $action with $more', ({ more, action }) => {
  expect(parseCommand(argv, { ...env, ...more })).toMatchObject({
    options: {
      repair: { isEnabled: true, action, label: { key: 'cni.istio.io/uninitialized', value: 'true' } },
    },
  })
})

test.each([
  { more: { CHAINED_CNI_PLUGIN: 'false' }, conf: { mode: 'standalone', ownName: 'YYY-istio-cni.conf' } },
  {
    more: { CHAINED_CNI_PLUGIN: 'false', CNI_CONF_NAME: 'istio-cni.conf', CNI_CONF_GROUP_READ: 'true' },
    conf: { mode: 'standalone', primaryName: 'istio-cni.conf', fileMode: 0o640 },
  },
  {
    more: { ISTIO_OWNED_CNI_CONFIG: 'false', CNI_CONF_NAME: '10-calico.conflist' },
    conf: { mode: 'chained', primaryName: '10-calico.conflist' },
  },
  {
    more: { ISTIO_OWNED_CNI_CONFIG_FILENAME: '01-istio-cni.conflist' },
    conf: { ownName: '01-istio-cni.conflist' },
  },
  {
    more: { ISTIO_OWNED_CNI_CONF_FILENAME: '03-istio-cni.conflist' },
    conf: { ownName: '03-istio-cni.conflist' },
  },
])('parseCommand() makes $conf of $more', ({ more, conf }) => {
  expect(parseCommand(argv, { ...env, ...more })).toMatchObject({ options: { install: { conf } } })
})

test.each([
  {
    AMBIENT_ENABLED: 'true',
    AMBIENT_RECONCILE_POD_RULES_ON_STARTUP: 'true',
    ENABLE_AMBIENT_DETECTION_RETRY: 'false',
  },
  {
    AMBIENT_USE_SCOPED_XTABLES_LOCKING: 'true',
    AMBIENT_ENABLE_AWS_BRANCH_ENI_PROBE: 'false',
    SKIP_TLS_VERIFY: '',
  },
])('parseCommand() takes what asks for nothing else than what it does: $0', (more) => {
  expect(parseCommand(argv, { ...env, ...more })).toEqual(parseCommand(argv, env))
})

test('parseCommand() reads what is set', () => {
  const more = {
    ...env,
    EXCLUDE_NAMESPACES: 'a, b',
    AMBIENT_DNS_CAPTURE: 'false',
    AMBIENT_IPV6: 'false',
    HOST_PROBE_SNAT_IPV6: 'FD00::01',
    MONITORING_PORT: '0',
  }
  const command = parseCommand(['--config-dir=/x=y', '--health-port', '1'], more)
  expect(command).toMatchObject({
    options: {
      source: { kind: 'directory', directory: '/x=y' },
      healthPort: 1,
      monitoringPort: 0,
      settings: { ipv6: false, dnsCapture: false, probe: { v6: 'fd00::1' } },
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
    name: 'a file in another directory',
    words: argv,
    more: { CNI_CONF_NAME: '../x.conf' },
    says: 'CNI_CONF_NAME "../x.conf": expected the name of a .conf',
  },
  {
    name: 'a name by which its own file could not be known',
    words: argv,
    more: { ISTIO_OWNED_CNI_CONFIG_FILENAME: '10-calico.conflist' },
    says: 'ends in istio-cni.conflist',
  },
  {
    name: 'to run without being ambient',
    words: argv,
    more: { AMBIENT_ENABLED: 'false' },
    says: 'AMBIENT_ENABLED "false": this agent does nothing but ambient',
  },
  {
    name: 'to repair another node',
    words: argv,
    more: { REPAIR_NODE_NAME: 'n2' },
    says: 'REPAIR_NODE_NAME "n2": an agent repairs the pods of its own node',
  },
  {
    name: 'to repair sidecars',
    words: argv,
    more: { REPAIR_SIDECAR_ANNOTATION: 'x' },
    says: 'there are no sidecars',
  },
  {
    name: 'to write a kubeconfig',
    words: argv,
    more: { KUBECONFIG_MODE: '0600' },
    says: 'needs no kubeconfig; unset it',
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
