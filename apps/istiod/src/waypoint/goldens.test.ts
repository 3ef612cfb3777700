import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorText } from '@ambient/lifecycle'
import { type KubeObject, objectsFromYaml, toYaml } from '@ambient/kube'
import { ENVOY, installExtras } from '@ambient/testkit'
import { encodeEnvoyMessage } from '@ambient/xds-proto'
import { beforeAll, expect, test } from 'vitest'
import { inlineBootstrap } from '../../test/inline-bootstrap.ts'
import { waypointOfObjects } from '../../test/waypoint-objects.ts'
import { ENVOY_MESSAGES, type EnvoyResource } from './envoy-resource.ts'

const GOLDENS = join(import.meta.dirname, 'testdata')
const INSTALL_MS = 120_000
const VALIDATE_MS = 60_000
/** `UPDATE_GOLDENS=1 npm test` rewrites the expected files; read the difference before you commit it. */
const isUpdate = process.env['UPDATE_GOLDENS'] === '1'
const cases = readdirSync(GOLDENS).flatMap((name) => (name.endsWith('.in.yaml') ? [name.slice(0, -8)] : []))

beforeAll(() => installExtras(['envoy']), INSTALL_MS)

test('there are cases', () => {
  expect(cases.length).toBeGreaterThan(5)
})

test.each(cases)('waypointResources() turns %s.in.yaml into the .out.yaml of that name', (name) => {
  const actual = toYaml(told(waypointOfObjects(objectsIn(name))))
  const path = join(GOLDENS, `${name}.out.yaml`)
  if (isUpdate) writeFileSync(path, actual)
  expect(actual).toBe(readFileSync(path, 'utf8'))
})

test.each(cases)('waypointResources() gives the same for the objects of %s in another order', (name) => {
  const objects = objectsIn(name)
  expect(encoded(waypointOfObjects(objects.toReversed()))).toEqual(encoded(waypointOfObjects(objects)))
})

test.each(cases)(
  'Envoy takes what waypointResources() makes of %s',
  async (name) => {
    expect(await verdict(inlineBootstrap(waypointOfObjects(objectsIn(name))))).toContain('OK')
  },
  VALIDATE_MS,
)

test(
  'Envoy takes no regular expression that is none, so what it takes was read',
  async () => {
    const made = JSON.stringify(inlineBootstrap(waypointOfObjects(objectsIn('policy-attributes'))))
    expect(await verdict(JSON.parse(made.replace('/c/[^/]+/d', '/c/[^/+/d')) as object)).toContain(
      'missing ]',
    )
  },
  VALIDATE_MS,
)

/** What Envoy says of a configuration, without starting with it. */
async function verdict(bootstrap: object): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'validate-'))
  const file = join(folder, 'bootstrap.json')
  writeFileSync(file, JSON.stringify(bootstrap))
  const argv = ['--mode', 'validate', '--config-path', file, '--log-level', 'error']
  try {
    const { stdout } = await promisify(execFile)(ENVOY, argv)
    return stdout
  } catch (error) {
    return errorText(error)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function objectsIn(name: string): readonly KubeObject[] {
  return objectsFromYaml(readFileSync(join(GOLDENS, `${name}.in.yaml`), 'utf8'))
}

function encoded(resources: readonly EnvoyResource[]): readonly string[] {
  return resources.map(
    ({ kind, name, json }) =>
      `${kind} ${name} ${Buffer.from(encodeEnvoyMessage(ENVOY_MESSAGES[kind], json)).toString('base64')}`,
  )
}

/** What is the same for every waypoint is in the case `empty` and left out of the others. */
function told(resources: readonly EnvoyResource[]): unknown {
  const shared = resources.length === EMPTY_SIZE ? [] : OWN
  return Object.fromEntries(
    resources
      .filter(({ kind, name }) => !shared.includes(`${kind} ${name}`))
      .map(({ kind, name, json }) => [`${kind} ${name}`, json]),
  )
}

/** Three clusters and three listeners. */
const EMPTY_SIZE = 6
const OWN = [
  'cluster main_internal',
  'cluster encap',
  'cluster connect_originate',
  'listener connect_terminate',
  'listener connect_originate',
]
