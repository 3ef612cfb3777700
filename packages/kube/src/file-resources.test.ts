import {
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getEventListeners } from 'node:events'
import { systemClock } from '@ambient/lifecycle'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { FileProblem } from './entry-files.ts'
import { FileResources } from './file-resources.ts'
import type { ResourceSetup } from './verify-resources.ts'
import { verifyResources } from './verify-resources.ts'

let directory = ''
let problems: FileProblem[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kube-files-'))
  problems = []
})
afterEach(() => rmSync(directory, { recursive: true }))

function open(pollMs = 2_000): Promise<FileResources> {
  return FileResources.open({
    directory,
    clock: systemClock,
    report: (problem) => problems.push(problem),
    pollMs,
  })
}

function put(file: string, text: string): void {
  writeFileSync(join(directory, '.put'), text)
  renameSync(join(directory, '.put'), join(directory, file))
}

const namespace = (name: string, labels = '{}'): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: ${labels}}\n`

async function names(resources: FileResources): Promise<string> {
  return (await resources.list('Namespace'))
    .map((object) => object.metadata.name)
    .toSorted()
    .join(' ')
}

async function openSetup(): Promise<ResourceSetup> {
  const [first, second] = await Promise.all([open(), open()])
  return {
    first,
    second,
    namespace: 'verify',
    put: (object) =>
      Promise.resolve(put(`${object.kind}-${object.metadata.name}.yaml`, JSON.stringify(object))),
    remove: (ref) => Promise.resolve(unlinkSync(join(directory, `${ref.kind}-${ref.name}.yaml`))),
    [Symbol.asyncDispose]: async () => {
      await first[Symbol.asyncDispose]()
      await second[Symbol.asyncDispose]()
    },
  }
}

describe('FileResources as a resource source and writer', () => {
  verifyResources(test, openSetup)
})

test('open() refuses a directory that is not there', async () => {
  await expect(
    FileResources.open({ directory: join(directory, 'gone'), clock: systemClock, report: () => {} }),
  ).rejects.toThrow(`Cannot read ${directory}/gone: it is not a directory`)
})

test('list() reads several documents, lists and JSON, and leaves other kinds and hidden files alone', async () => {
  put(
    'a.yaml',
    `# nothing yet\n---\n${namespace('one')}---\n${namespace('two')}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n`,
  )
  put(
    'b.json',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'three' } }],
    }),
  )
  put('.hidden.yaml', namespace('hidden'))
  put('notes.txt', 'kind: [')
  mkdirSync(join(directory, 'nested.yaml'))
  await using resources = await open()
  expect(await names(resources)).toBe('one three two')
  expect(problems).toEqual([])
})

test('watch() keeps the last good content of a broken file and says once where it is broken', async () => {
  put('a.yaml', `${namespace('one')}---\n${namespace('two')}`)
  put('b.yaml', namespace('three'))
  await using resources = await open()
  put('a.yaml', `${namespace('one')}---\n${namespace('two')}  labels: {a: [\n`)
  put('b.yaml', namespace('four'))
  await vi.waitFor(async () => expect(await names(resources)).toBe('four one two'))
  await vi.waitFor(() => expect(problems).toHaveLength(1))
  expect(problems[0]?.message).toMatch(
    /^Cannot read a\.yaml: line 8, column \d+: .*; its last good content stays in force until the file is corrected$/,
  )
  put('a.yaml', namespace('five'))
  await vi.waitFor(async () => expect(await names(resources)).toBe('five four'))
  expect(resources.problems).toEqual([])
})

test('list() refuses a label that is no text, with file and line', async () => {
  put('a.yaml', `${namespace('one')}---\n${namespace('two', '{version: 1}')}`)
  await using resources = await open()
  expect(await names(resources)).toBe('')
  expect(problems.map((problem) => problem.message)).toEqual([
    'Cannot read a.yaml: line 4: Cannot read Namespace two: metadata.labels.version must be a string: 1; nothing of it is in force until the file is corrected',
  ])
  expect(problems[0]?.hasLastGood).toBe(false)
})

test('list() takes an object given twice from the first file, names both, and changes over when that one goes', async () => {
  put('a.yaml', namespace('one', '{from: a}'))
  put('b.yaml', namespace('one', '{from: b}'))
  await using resources = await open()
  expect((await resources.list('Namespace'))[0]?.metadata.labels).toEqual({ from: 'a' })
  expect(problems.map((problem) => problem.message)).toEqual([
    'Ignored Namespace one (b.yaml line 1): it is already given by Namespace one (a.yaml line 1); remove one of the two',
  ])
  unlinkSync(join(directory, 'a.yaml'))
  await vi.waitFor(async () =>
    expect((await resources.list('Namespace'))[0]?.metadata.labels).toEqual({ from: 'b' }),
  )
  expect(resources.problems).toEqual([])
})

test('applyAnnotations() never edits the user’s file and leaves no scratch file', async () => {
  put('a.yaml', namespace('one'))
  await using resources = await open()
  await resources.applyAnnotations({ kind: 'Namespace', name: 'one' }, { a: 'b' }, { owner: 'me' })
  expect(readFileSync(join(directory, 'a.yaml'), 'utf8')).toBe(namespace('one'))
  expect(readdirSync(join(directory, '.ambient', 'written'))).toEqual(['Namespace~~one~annotations~me.json'])
  expect(readdirSync(join(directory, '.ambient', 'scratch'))).toEqual([])
  await resources.applyAnnotations({ kind: 'Namespace', name: 'one' }, { a: null }, { owner: 'me' })
  expect(readdirSync(join(directory, '.ambient', 'written'))).toEqual([])
})

test('open() gives the same uid and creation time after a restart, and the uid of the YAML when there is one', async () => {
  put('a.yaml', namespace('one'))
  put('b.yaml', 'apiVersion: v1\nkind: Namespace\nmetadata: {name: two, uid: given}\n')
  const read = async (): Promise<readonly string[]> => {
    await using resources = await open()
    return (await resources.list('Namespace')).map(
      ({ metadata }) => `${metadata.uid} ${metadata.creationTimestamp}`,
    )
  }
  const before = await read()
  expect(before[1]).toMatch(/^given /)
  expect(await read()).toEqual(before)
})

test('watch() tells a change of a file or an annotation within 50 ms, file written in place or replaced', async () => {
  await using writer = await open()
  await using reader = await open()
  const ended = new AbortController()
  let seen = ''
  let waiting: PromiseWithResolvers<void> | undefined
  const running = (async (): Promise<void> => {
    for await (const event of reader.watch('Namespace', ended.signal)) {
      if (event.type === 'synced') continue
      seen = event.object.metadata.labels['n'] ?? ''
      seen += event.object.metadata.annotations['n'] ?? ''
      waiting?.resolve()
    }
  })()
  const tookMs: number[] = []
  const measure = async (expected: string, change: () => Promise<void> | void): Promise<void> => {
    const startMs = performance.now()
    await change()
    while (seen !== expected) {
      waiting = Promise.withResolvers()
      await waiting.promise
    }
    tookMs.push(performance.now() - startMs)
  }
  for (let n = 0; n < 20; n++) {
    await measure(`${n}${n - 1 < 0 ? '' : n - 1}`, () => {
      if (n % 2 === 0) put('a.yaml', namespace('one', `{n: "${n}"}`))
      else writeFileSync(join(directory, 'a.yaml'), namespace('one', `{n: "${n}"}`))
    })
    await measure(`${n}${n}`, () =>
      writer.applyAnnotations({ kind: 'Namespace', name: 'one' }, { n: `${n}` }, { owner: 'me' }),
    )
  }
  ended.abort()
  await running
  tookMs.sort((a, b) => a - b)
  process.stdout.write(
    `write to event: median ${tookMs[20]?.toFixed(1)} ms, worst ${tookMs.at(-1)?.toFixed(1)} ms\n`,
  )
  expect(tookMs[20]).toBeLessThan(50)
  expect(getEventListeners(ended.signal, 'abort')).toHaveLength(0)
})

test('watch() finds a change the kernel did not tell, after .ambient was removed as a whole', async () => {
  put('a.yaml', namespace('one'))
  await using reader = await open(50)
  await using writer = await open(50)
  await writer.applyAnnotations({ kind: 'Namespace', name: 'one' }, { a: '1' }, { owner: 'me' })
  await vi.waitFor(async () =>
    expect((await reader.list('Namespace'))[0]?.metadata.annotations).toEqual({ a: '1' }),
  )
  rmSync(join(directory, '.ambient'), { recursive: true })
  await vi.waitFor(
    async () => expect((await reader.list('Namespace'))[0]?.metadata.annotations).toEqual({}),
    5_000,
  )
  await vi.waitFor(async () => {
    await writer.applyAnnotations({ kind: 'Namespace', name: 'one' }, { a: '2' }, { owner: 'me' })
    expect((await reader.list('Namespace'))[0]?.metadata.annotations).toEqual({ a: '2' })
  }, 5_000)
})
