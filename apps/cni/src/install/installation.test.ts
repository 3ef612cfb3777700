import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@ambient/lifecycle'
import { createLogger, createMetrics, LevelFilter, type Metrics } from '@ambient/telemetry'
import { waitFor } from '@ambient/testkit'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Installation } from './installation.ts'
import { parseRecord } from './network-conf.ts'

const OURS = '02-istio-cni.conflist'
const PRIMARY = '10-primary.conflist'
let root: string
let nets: string
let bins: string
let registry: Registry
let metrics: Metrics
let log: string[]
const running: Installation[] = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cni-install-'))
  nets = join(root, 'net.d')
  bins = join(root, 'bin')
  for (const path of [nets, bins]) mkdirSync(path)
  writeFileSync(join(root, 'plugin'), 'the plugin')
  registry = new Registry()
  metrics = createMetrics(registry, 'cni')
  log = []
})
afterEach(async () => {
  for (const each of running.splice(0)) await each[Symbol.asyncDispose]()
  rmSync(root, { recursive: true })
})

function start(mode: 'owned' | 'chained' = 'owned'): Installation {
  const installation = Installation.start({
    confDirectory: nets,
    binDirectory: bins,
    pluginFile: join(root, 'plugin'),
    settings: {
      mode,
      ownName: OURS,
      primaryName: undefined,
      fileMode: 0o600,
      plugin: { type: 'istio-cni', name: 'istio-cni' },
    },
    clock: systemClock,
    logger: createLogger({
      format: 'plain',
      level: LevelFilter.parse('debug'),
      write: (line) => log.push(line),
      clock: { nowMs: () => 0 },
      scope: 'cni',
    }),
    metrics,
  })
  running.push(installation)
  return installation
}

const write = (name: string, text: string): void => writeFileSync(join(nets, name), text)
const list = (...types: readonly string[]): string =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins: types.map((type) => ({ type })) })
const types = (name: string): readonly string[] => {
  const plugins = parseRecord(readFileSync(join(nets, name), 'utf8'))?.['plugins'] as { type: string }[]
  return plugins.map(({ type }) => type)
}
const counted = async (result: string): Promise<number> =>
  (await registry.getSingleMetric('istio_cni_installs_total')?.get())?.values.find(
    ({ labels }) => labels['result'] === result,
  )?.value ?? 0

test('Installation puts plugin and network in place, each with its permission bits, and leaves nothing else', async () => {
  write(PRIMARY, list('bridge'))
  const { state } = start()
  expect(state).toEqual({ kind: 'installed', file: OURS, source: PRIMARY })
  expect(types(OURS)).toEqual(['bridge', 'istio-cni'])
  expect([statSync(join(bins, 'istio-cni')).mode & 0o777, statSync(join(nets, OURS)).mode & 0o777]).toEqual([
    0o755, 0o600,
  ])
  expect([readdirSync(bins), readdirSync(nets)]).toEqual([['istio-cni'], [OURS, PRIMARY]])
  expect(await counted('SUCCESS')).toBe(1)
  expect(await registry.getSingleMetricAsString('istio_cni_install_ready')).toMatch(/ 1$/m)
})

test('Installation makes no network before there is a primary, and does so when one comes', async () => {
  const installation = start()
  expect(installation.state.kind).toBe('waiting')
  expect(readdirSync(nets)).toEqual([])
  expect(readdirSync(bins)).toEqual(['istio-cni'])
  write(PRIMARY, '{"plugins": [') // half written
  write(PRIMARY, list('bridge'))
  await waitFor('the network', () => installation.state.kind === 'installed')
  expect(types(OURS)).toEqual(['bridge', 'istio-cni'])
})

test.each([
  {
    name: 'the primary changes',
    act: () => write(PRIMARY, list('bridge', 'tuning')),
    expected: ['bridge', 'tuning', 'istio-cni'],
  },
  { name: 'ours is removed', act: () => rmSync(join(nets, OURS)), expected: ['bridge', 'istio-cni'] },
  { name: 'ours is overwritten', act: () => write(OURS, list('bridge')), expected: ['bridge', 'istio-cni'] },
  {
    name: 'ours is moved away',
    act: () => renameSync(join(nets, OURS), join(nets, `${OURS}.bak`)),
    expected: ['bridge', 'istio-cni'],
  },
  {
    name: 'another primary comes before',
    act: () => write('05-other.conflist', list('other')),
    expected: ['other', 'istio-cni'],
  },
])('Installation puts it right at once when $name', async ({ act, expected }) => {
  write(PRIMARY, list('bridge'))
  start()
  act()
  await waitFor(
    `the plugins ${expected.join()}`,
    () => existsSync(join(nets, OURS)) && types(OURS).join() === expected.join(),
    {
      deadlineMs: 4500, // less than the time after which it would look by itself
    },
  )
})

test('Installation puts the plugin back that was replaced, and one that cannot be run', async () => {
  write(PRIMARY, list('bridge'))
  start()
  const target = join(bins, 'istio-cni')
  writeFileSync(target, 'another')
  await waitFor('the plugin', () => readFileSync(target, 'utf8') === 'the plugin', { deadlineMs: 4500 })
  chmodSync(target, 0o644)
  await waitFor('the permission', () => (statSync(target).mode & 0o777) === 0o755, { deadlineMs: 4500 })
})

test('Installation gives way for a second when somebody else insists, and says so', async () => {
  write(PRIMARY, list('bridge'))
  start()
  const insists = setInterval(() => rmSync(join(nets, OURS), { force: true }), 5)
  await waitFor('the warning', () => log.some((line) => line.includes('set cni.exclusive=false')))
  const warnings = (): number => log.filter((line) => line.includes('cni.exclusive')).length
  const writes = (): number => log.filter((line) => line.includes('network written')).length
  const before = { warnings: warnings(), writes: writes() }
  await waitFor('a later warning', () => warnings() > before.warnings)
  expect(writes() - before.writes).toBeLessThanOrEqual(2)
  clearInterval(insists)
  await waitFor('ours to be there again', () => existsSync(join(nets, OURS)))
})

test('Installation takes away what a writer left that ended before it could rename', () => {
  write(PRIMARY, list('bridge'))
  const left = [join(nets, 'istio-cni.tmp.1'), join(bins, 'istio-cni.tmp.2')]
  const recent = join(nets, 'istio-cni.tmp.3')
  for (const path of [...left, recent]) writeFileSync(path, '{"plugins":')
  for (const path of left) utimesSync(path, 1, 1)
  start()
  expect(left.filter((path) => existsSync(path))).toEqual([])
  expect(existsSync(recent)).toBe(true) // of another agent, perhaps, that still writes
  expect(types(OURS)).toEqual(['bridge', 'istio-cni'])
})

test.each([
  { what: 'plugins', missing: () => bins, result: 'COPY_BINARIES_FAILURE', code: 'PLUGIN_NOT_INSTALLED' },
  {
    what: 'networks',
    missing: () => nets,
    result: 'CREATE_CNI_CONFIG_FAILURE',
    code: 'NETWORK_NOT_CONFIGURED',
  },
])(
  'Installation says why when the directory of $what is not there, and goes on when it comes',
  async ({ missing, result, code }) => {
    rmSync(missing(), { recursive: true })
    const installation = start()
    const { state } = installation
    expect(state.kind === 'failed' && state.because).toMatch(new RegExp(`^${code}: .*${missing()}.*ENOENT`))
    expect(await counted(result)).toBe(1)
    expect(log.join()).toContain(code)
    mkdirSync(missing())
    if (missing() === nets) write(PRIMARY, list('bridge'))
    else {
      expect(existsSync(join(nets, OURS))).toBe(false) // no network calls a plugin that is not there
      write(PRIMARY, list('bridge'))
    }
    await waitFor('the installation', () => installation.state.kind === 'installed', { deadlineMs: 8000 })
  },
)

test('Installation takes over what an earlier one left without writing it again', async () => {
  write(PRIMARY, list('bridge'))
  start()
  await running.splice(0)[0]?.[Symbol.asyncDispose]()
  const inodes = (): readonly number[] =>
    [join(nets, OURS), join(bins, 'istio-cni')].map((path) => statSync(path).ino)
  const before = inodes()
  expect(start().state.kind).toBe('installed')
  expect(inodes()).toEqual(before)
})

test.each(['owned', 'chained'] as const)(
  'uninstall() in mode %s leaves the primary’s network and nothing of ours',
  async (mode) => {
    write(PRIMARY, list('bridge'))
    const installation = start(mode)
    expect(installation.state.kind).toBe('installed')
    await installation.uninstall()
    expect([readdirSync(bins), readdirSync(nets)]).toEqual([[], [PRIMARY]])
    expect(types(PRIMARY)).toEqual(['bridge'])
  },
)

test('uninstall() keeps the plugin when the network cannot be changed', async () => {
  write(PRIMARY, list('bridge'))
  const installation = start()
  renameSync(nets, `${nets}.away`)
  await expect(installation.uninstall()).rejects.toThrow('ENOENT')
  expect(readdirSync(bins)).toEqual(['istio-cni'])
})
