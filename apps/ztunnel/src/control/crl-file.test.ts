import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestCa, testCa, waitFor } from '@ambient/testkit'
import { afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { CrlFile } from './crl-file.ts'

let ca: TestCa
let directory: string
let path: string
const got: string[] = []
const said: string[] = []

beforeAll(async () => {
  ca = await testCa()
})
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'crl-'))
  path = join(directory, 'mounted', 'ca-crl.pem')
  got.length = 0
  said.length = 0
})
afterEach(() => rmSync(directory, { recursive: true }))

function follow(): CrlFile {
  const say = (message: string): void => void said.push(message)
  return new CrlFile({
    path,
    logger: { info: say, warn: say, error: say },
    onChange: (file) => void got.push(Buffer.from(file).toString()),
    everyMs: 10,
  })
}

/** As a ConfigMap is mounted: a link to a directory, which is replaced as a whole. */
function mount(version: string, text: string | undefined): void {
  const files = join(directory, version)
  mkdirSync(files)
  if (text !== undefined) writeFileSync(join(files, 'ca-crl.pem'), text)
  symlinkSync(files, join(directory, 'next'))
  renameSync(join(directory, 'next'), join(directory, 'mounted'))
}

test('CrlFile puts in force what comes, and leaves the last in force when it breaks or goes', async () => {
  const [first, second] = [await ca.revocationList([]), await ca.revocationList([await ca.issue({})])]
  const file = follow()
  onTestFinished(() => file[Symbol.dispose]())
  expect([got, said]).toEqual([[], []])
  mount('1', first)
  await waitFor('the first lists', () => got.length === 1)
  mount('2', 'no list at all')
  await waitFor('the fault to be told', () => said.some((line) => line.includes('cannot be used')))
  mount('3', undefined)
  await waitFor('the loss to be told', () => said.some((line) => line.includes('are gone')))
  mount('4', `${first}\n${second}`)
  await waitFor('the second lists', () => got.length === 2)
  expect(got).toEqual([first, `${first}\n${second}`])
})

test('CrlFile does not start with a file that cannot be read to its end', async () => {
  const list = await ca.revocationList([])
  mount('1', `${list}\n${list.slice(0, list.length / 2)}`)
  expect(follow).toThrow(/^Cannot use CRL_PATH ".*ca-crl.pem": Cannot read revocation list 2/)
  expect(got).toEqual([])
})
