// Who may import whom: the authority on the table of layers. The Nx tags in the package.json files mirror it.
// A violation ends `npm run check`; tools/check/boundaries.test.ts plants one of each and sees it refused.

const LAYERS = {
  generated: ['packages/xds-proto'],
  base: ['packages/lifecycle', 'packages/telemetry'],
  domain: ['packages/model', 'packages/spiffe', 'packages/policy', 'packages/dns', 'packages/collections'],
  system: ['packages/linux', 'packages/tls', 'packages/event-loop', 'packages/grpc', 'packages/bpf'],
  io: [
    'packages/hbone',
    'packages/xds',
    'packages/zds',
    'packages/ca',
    'packages/ca-client',
    'packages/kube',
  ],
  app: ['apps/ztunnel', 'apps/cni', 'apps/istiod', 'apps/waypoint-controller'],
  test: ['packages/testkit', 'packages/lab', 'e2e', 'tools'],
}
/** A system package sees only those before it. */
const SYSTEM_ORDER = LAYERS.system
const OURS = '^(packages|apps|e2e|tools)/'
/** What is no part of the product: it may import anything, and nothing else may import it. */
const TESTS = '(\\.test\\.ts$|^(packages|apps)/[^/]+/(test|bench|fuzz|src/testdata)/|\\.config\\.ts$)'
const DOMAIN_IO =
  '^(node:)?(net|http|https|http2|tls|fs|ffi|dgram|dns|child_process|worker_threads|cluster|sqlite)(/|$)'

export default {
  forbidden: [
    {
      name: 'no-cycle',
      comment: 'What is in a cycle cannot be read, tested or moved alone.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolved',
      comment: 'An import that leads nowhere would escape every rule below.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '/generated/' },
    },
    layer('generated', []),
    layer('base', ['base']),
    layer('domain', ['base', 'domain']),
    ...SYSTEM_ORDER.map((name, index) => ({
      name: `layer-system-${name.slice('packages/'.length)}`,
      comment: `${name} stands on base and on the system packages before it.`,
      severity: 'error',
      from: { path: `^${name}/`, pathNot: TESTS },
      to: { path: OURS, pathNot: projects([...LAYERS.base, ...SYSTEM_ORDER.slice(0, index + 1)]) },
    })),
    ...LAYERS.io.map((name) => ({
      name: `layer-io-${name.slice('packages/'.length)}`,
      comment: `${name} stands on generated, base, domain and system, and on no other io package.`,
      severity: 'error',
      from: { path: `^${name}/`, pathNot: TESTS },
      to: {
        path: OURS,
        pathNot: projects([name, ...LAYERS.generated, ...LAYERS.base, ...LAYERS.domain, ...LAYERS.system]),
      },
    })),
    ...LAYERS.app.map((name) => ({
      name: `layer-app-${name.slice('apps/'.length)}`,
      comment: 'Apps meet over a protocol, never by import.',
      severity: 'error',
      from: { path: `^${name}/`, pathNot: TESTS },
      to: {
        path: OURS,
        pathNot: projects([
          name,
          ...['generated', 'base', 'domain', 'system', 'io'].flatMap((tag) => LAYERS[tag]),
        ]),
      },
    })),
    {
      name: 'no-app-import',
      comment: 'Nobody imports an app, tests of other projects included: they start its process.',
      severity: 'error',
      from: { path: '^(packages|apps|e2e|tools)/([^/]+)/' },
      to: { path: '^apps/([^/]+)/', pathNot: '^$1/$2/' },
    },
    {
      name: 'no-test-layer-in-product',
      comment: 'testkit, lab, e2e and tools are for tests; only tests may import them.',
      severity: 'error',
      from: { path: '^(packages|apps)/', pathNot: `(${TESTS})|${projects(LAYERS.test)}` },
      to: { path: projects(LAYERS.test) },
    },
    {
      name: 'no-test-file-in-source',
      comment: 'Source that needs a test file is not finished.',
      severity: 'error',
      from: { path: OURS, pathNot: TESTS },
      to: { path: TESTS },
    },
    {
      name: 'ffi-only-in-system',
      comment: 'node:ffi is experimental: it stays where one package can be replaced.',
      severity: 'error',
      from: { path: OURS, pathNot: `(${projects(LAYERS.system)})|${TESTS}` },
      to: { path: '^(node:)?ffi$' },
    },
    {
      name: 'domain-has-no-io',
      comment: 'Values and decisions: same input, same answer, on any machine.',
      severity: 'error',
      from: { path: projects(LAYERS.domain), pathNot: TESTS },
      to: { path: DOMAIN_IO },
    },
    {
      name: 'no-streams-on-the-byte-path',
      comment: 'Per connection there is no Node stream and no promise: the byte path has its own event loop.',
      severity: 'error',
      from: {
        path: '^(packages/(tls|event-loop|hbone)/src/|apps/ztunnel/src/(worker|inbound|outbound)[/.])',
        pathNot: TESTS,
      },
      to: { path: '^(node:)?(net|stream|http|https|http2|tls)(/|$)' },
    },
    {
      name: 'no-deep-import',
      comment: 'A package is what its index.ts exports.',
      severity: 'error',
      from: { path: '^(packages|apps)/([^/]+)/' },
      to: { path: '^packages/([^/]+)/', pathNot: ['^$1/$2/', '^packages/[^/]+/src/index\\.ts$'] },
    },
    {
      name: 'no-deep-import-from-outside',
      comment: 'A package is what its index.ts exports, for e2e and tools too.',
      severity: 'error',
      from: { path: '^(e2e|tools)/' },
      to: { path: '^packages/', pathNot: '^packages/[^/]+/src/index\\.ts$' },
    },
    {
      name: 'no-undeclared-dependency',
      comment: 'What is imported stands in the package.json of the one who imports it.',
      severity: 'error',
      from: { path: '^(packages|apps)/', pathNot: `(${TESTS})|/generated/` },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|coverage|\\.nx|\\.toolchain)/' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    preserveSymlinks: false,
    enhancedResolveOptions: {
      conditionNames: ['@ambient/source', 'node', 'import', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
    builtInModules: { add: ['ffi', 'node:ffi', 'node:sqlite'] },
    skipAnalysisNotInRules: true,
  },
}

function projects(paths) {
  return `^(${paths.join('|')})/`
}

/** A layer whose packages may import each other freely, if the layer itself is among `allowed`. */
function layer(name, allowed) {
  const own = allowed.includes(name) ? [] : LAYERS[name]
  return {
    name: `layer-${name}`,
    comment: `${name} may import ${allowed.length === 0 ? 'nothing of ours' : allowed.join(' and ')}.`,
    severity: 'error',
    from: { path: projects(LAYERS[name]), pathNot: TESTS },
    to: { path: OURS, pathNot: projects([...own, ...allowed.flatMap((tag) => LAYERS[tag])]) },
  }
}
