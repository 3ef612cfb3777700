import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { type ConfFile, parseRecord } from './network-conf.ts'
import { planConf, planConfRemoval, type ConfPlan, type ConfSettings } from './plan-conf.ts'

const directory = join(import.meta.dirname, 'testdata')
const cases = readdirSync(directory).flatMap((name) => (name.endsWith('.in.yaml') ? [name.slice(0, -8)] : []))
const owned: ConfSettings = {
  mode: 'owned',
  ownName: '02-istio-cni.conflist',
  primaryName: undefined,
  fileMode: 0o600,
  plugin: {
    type: 'istio-cni',
    name: 'istio-cni',
    cni_agent_run_dir: '/var/run/istio-cni',
    pod_namespace: 'istio-system',
    exclude_namespaces: ['kube-system'],
  },
}

interface Case {
  readonly settings: ConfSettings
  readonly files: readonly ConfFile[]
}

function readCase(name: string): Case {
  const { settings, files } = parse(readFileSync(join(directory, `${name}.in.yaml`), 'utf8')) as {
    settings?: Partial<ConfSettings>
    files: Record<string, string>
  }
  return { settings: { ...owned, ...settings }, files: named(files) }
}

function named(files: Readonly<Record<string, string>>, mode = 0o644): readonly ConfFile[] {
  return Object.entries(files).map(([name, text]) => ({ name, text, mode }))
}

/** The directory once the plan has been carried out. */
function carryOut(files: readonly ConfFile[], plan: ConfPlan): readonly ConfFile[] {
  if (plan.kind !== 'change') return files
  const others = files.filter(({ name }) => name !== plan.write.name && !plan.remove.includes(name))
  return [...others, plan.write]
}

/** What a runtime takes: the first file in order of bytes that it could use. */
function taken(files: readonly ConfFile[]): ConfFile | undefined {
  return files
    .filter(({ name }) => /\.(conf|conflist|json)$/.test(name))
    .toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
    .find(({ text }) => text.trim().startsWith('{'))
}

const list = (...types: readonly string[]): string =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins: types.map((type) => ({ type })) })

describe.each(cases)('planConf() with the files of %s', (name) => {
  const { settings, files } = readCase(name)
  const plan = planConf(files, settings)

  test('has the golden result', async () => {
    const rendered =
      plan.kind === 'change'
        ? {
            source: plan.source,
            remove: plan.remove,
            write: { ...plan.write, mode: plan.write.mode.toString(8) },
          }
        : plan
    await expect(stringify(rendered, { lineWidth: 0 })).toMatchFileSnapshot(`testdata/${name}.out.yaml`)
  })

  test('has nothing to do once it is carried out', () => {
    expect(planConf(carryOut(files, plan), settings).kind).toBe('in-place')
  })

  test('makes the runtime take a network that ends with our plugin', () => {
    const text = taken(carryOut(files, plan))?.text ?? '{}'
    const network = JSON.parse(text) as { plugins?: { type: string }[]; type?: string }
    expect(network.plugins?.at(-1)?.type ?? network.type).toBe('istio-cni')
  })

  test('leaves no call of our plugin after the uninstallation', () => {
    const installed = carryOut(files, plan)
    const { write, remove } = planConfRemoval(installed)
    const left = [
      ...write,
      ...installed.filter((file) => ![...remove, ...write.map((each) => each.name)].includes(file.name)),
    ]
    expect(left.filter(({ text }) => text.includes('istio-cni'))).toEqual([])
  })
})

test('testdata holds no expected file without its input', () => {
  expect(readdirSync(directory).filter((name) => !cases.some((each) => name.startsWith(`${each}.`)))).toEqual(
    [],
  )
  expect(cases.length).toBeGreaterThan(15)
})

describe('planConf()', () => {
  test.each([
    { name: 'an empty directory', files: {} },
    { name: 'text that is no JSON', files: { '10-a.conflist': '{"plugins": [' } },
    { name: 'a list without plugins', files: { '10-a.conflist': '{"name": "a", "plugins": []}' } },
    { name: 'a plugin without a type', files: { '10-a.conf': '{"name": "a"}' } },
    { name: 'a list under the ending of a single plugin', files: { '10-a.conf': list('bridge') } },
    { name: 'our plugin alone', files: { '10-a.conflist': list('istio-cni') } },
    { name: 'other endings', files: { '10-a.conflist.bak': list('bridge'), 'notes.txt': 'x' } },
  ])('waits for a primary in $name, in both chained modes', ({ files }) => {
    for (const mode of ['owned', 'chained'] as const)
      expect(planConf(named(files), { ...owned, mode })).toMatchObject({ kind: 'wait' })
  })

  test.each([
    { wanted: '20-b.conflist', source: '20-b.conflist' },
    { wanted: '20-b.conf', source: '20-b.conflist' },
    { wanted: '30-c.conflist', source: '30-c.conf' },
  ])('takes the primary that was named as $wanted, and sorts before all others', ({ wanted, source }) => {
    const files = named({
      '10-a.conflist': list('a'),
      '20-b.conflist': list('b'),
      '30-c.conf': '{"type":"c"}',
    })
    const plan = planConf(files, { ...owned, primaryName: wanted })
    expect(plan).toMatchObject({ kind: 'change', source, write: { name: '02-istio-cni.conflist' } })
  })

  test('waits for a named primary even when there are others', () => {
    const plan = planConf(named({ '10-a.conflist': list('a') }), { ...owned, primaryName: '20-b.conflist' })
    expect(plan).toEqual({ kind: 'wait', because: '20-b.conflist is no network that a runtime could use' })
  })

  test.each([
    { first: '10-a.conflist', ours: '02-istio-cni.conflist' },
    { first: '02-a.conflist', ours: '00-istio-cni.conflist' },
    { first: '00-z.conflist', ours: '00-istio-cni.conflist' },
    { first: '00-a.conf', ours: '0-istio-cni.conflist' },
  ])('calls its file $ours where the primary is $first', ({ first, ours }) => {
    const text = first.endsWith('list') ? list('a') : '{"type":"a"}'
    const plan = planConf(named({ [first]: text }), owned)
    expect(plan).toMatchObject({ write: { name: ours } })
  })

  test('gives its earlier file up when the primary comes to sort before it', () => {
    const before = carryOut(
      named({ '10-a.conflist': list('a') }),
      planConf(named({ '10-a.conflist': list('a') }), owned),
    )
    const plan = planConf([...before, ...named({ '01-b.conflist': list('b') })], owned)
    expect(plan).toMatchObject({
      source: '01-b.conflist',
      write: { name: '00-istio-cni.conflist' },
      remove: ['02-istio-cni.conflist'],
    })
  })

  test('says that it cannot come first', () => {
    expect(planConf(named({ '!.conflist': list('a') }), owned)).toEqual({
      kind: 'impossible',
      because: 'the runtime takes !.conflist before any name of ours; rename it',
    })
  })

  const installed = carryOut(
    named({ '10-a.conflist': list('a') }),
    planConf(named({ '10-a.conflist': list('a') }), owned),
  )

  test.each([
    {
      name: 'a parameter of the primary',
      text: '{"name":"net","cniVersion":"1.0.0","mtu":1400,"plugins":[{"type":"a"}]}',
    },
    { name: 'a plugin of the primary', text: list('a', 'portmap') },
    { name: 'the version of the primary', text: list('a').replace('1.0.0', '1.1.0') },
  ])('copies anew when $name changes', ({ text }) => {
    const files = installed.map((file) => (file.name === '10-a.conflist' ? { ...file, text } : file))
    expect(planConf(files, owned)).toMatchObject({ kind: 'change', source: '10-a.conflist' })
  })

  test('is content with a primary that only was written anew in another form', () => {
    const files = installed.map((file) => ({ ...file, text: JSON.stringify(JSON.parse(file.text)) }))
    expect(planConf(files, owned)).toMatchObject({ kind: 'in-place' })
  })

  test('writes anew when its own file was changed, cut off, or made readable for all', () => {
    for (const change of [{ text: list('a') }, { text: '{"plugins":' }, { mode: 0o644 }]) {
      const files = installed.map((file) =>
        file.name === '02-istio-cni.conflist' ? { ...file, ...change } : file,
      )
      expect(planConf(files, owned)).toMatchObject({ kind: 'change', write: { mode: 0o600 } })
    }
  })

  test('keeps the last copy when the primary has gone, since a runtime without it would start pods outside the mesh', () => {
    const alone = installed.filter(({ name }) => name !== '10-a.conflist')
    expect(planConf(alone, owned)).toEqual({
      kind: 'in-place',
      name: '02-istio-cni.conflist',
      source: '02-istio-cni.conflist',
    })
  })

  test('keeps the permission bits of the primary when it is the primary’s file that changes', () => {
    const plan = planConf(named({ '10-a.conflist': list('a') }, 0o640), { ...owned, mode: 'chained' })
    expect(plan).toMatchObject({ write: { name: '10-a.conflist', mode: 0o640 } })
  })
})

test('planConfRemoval() makes the primaries whole before it removes our own file', () => {
  const files = named({
    '02-istio-cni.conflist': list('a', 'istio-cni'),
    '10-a.conflist': list('a', 'istio-cni', 'b'),
    '20-only.conf': '{"type":"istio-cni"}',
    '30-c.conflist': list('c'),
  })
  const { write, remove } = planConfRemoval(files)
  expect(write.map(({ name, text }) => [name, parseRecord(text)])).toEqual([
    ['10-a.conflist', parseRecord(list('a', 'b'))],
  ])
  expect(remove).toEqual(['20-only.conf', '02-istio-cni.conflist'])
})
