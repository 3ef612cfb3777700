import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { buildPlugin, parseObject, PLUGIN, runPlugin } from './run-plugin.ts'

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8')
const agent = (...words: readonly string[]): string =>
  execFileSync(join(import.meta.dirname, '../bin/istio-cni-agent'), words, { encoding: 'utf8', env: {} })

beforeAll(buildPlugin)

test('README has a plugin configuration that the plugin understands', async () => {
  const [, json = ''] = /```json\n([\s\S]*?)```/.exec(readme) ?? []
  const config = {
    ...parseObject(json),
    cni_agent_run_dir: '/nonexistent',
    cniVersion: '1.1.0',
    prevResult: { ips: [] },
  }
  const environment = { CNI_COMMAND: 'ADD', CNI_ARGS: 'K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=dns' }
  expect(await runPlugin([PLUGIN], environment, JSON.stringify(config))).toMatchObject({
    status: 0,
    stdout: '{"ips":[]}',
  })
})

test('istio-cni-agent --help names every variable it reads', () => {
  const source = readFileSync(join(import.meta.dirname, '../src/agent/agent-options.ts'), 'utf8')
  const read = new Set(
    [...source.matchAll(/(?:env\['|env, '|text\(env, ')([A-Z0-9_]+)'/g)].map((match) => match[1]),
  )
  for (const name of ['NATIVE_NFTABLES', 'FORCE_IPTABLES_BINARY']) read.delete(name) // refused
  const help = agent('--help')
  expect([...read].filter((name) => name === undefined || !help.includes(name))).toEqual([])
  expect(read.size).toBeGreaterThan(10)
})

test('istio-cni-agent --version prints a version', () => {
  expect(agent('--version')).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('istio-cni-agent ends with status 2 and one line when it cannot start', () => {
  expect(() =>
    execFileSync(join(import.meta.dirname, '../bin/istio-cni-agent'), ['--config-dir', '/x'], {
      env: {},
      stdio: 'pipe',
    }),
  ).toThrow(
    expect.objectContaining({
      status: 2,
      stderr: Buffer.from(
        'istio-cni-agent: CONFIG_INVALID: Cannot start: NODE_NAME is not set; see --help\n',
      ),
    }),
  )
})
