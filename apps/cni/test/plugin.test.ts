import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawMember } from '../src/endpoint/cni-request.ts'
import { openPluginEndpoint } from '../src/endpoint/plugin-endpoint.ts'
import {
  buildPlugin,
  FUZZ,
  parseObject,
  PLUGIN,
  type PluginRun,
  runPlugin,
  SANITIZED_PLUGIN,
} from './run-plugin.ts'

const directory = mkdtempSync(join(tmpdir(), 'cni-plugin-'))
const nowhere = join(directory, 'nowhere')
const prevResult = '{ "cniVersion":"1.0.0",  "ips":[ {"address":"10.0.0.2/24"} ],"dns":{} }'

beforeAll(buildPlugin)
afterAll(() => rmSync(directory, { recursive: true }))

const environment = (command: string, pod = 'web', namespace = 'shop'): Record<string, string> => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/x',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${pod};K8S_POD_UID=u1`,
})
const config = (more = ''): string =>
  `{"cniVersion":"1.0.0","type":"istio-cni","cni_agent_run_dir":"${nowhere}","pod_namespace":"istio-system","exclude_namespaces":["kube-system","monitoring"],${more}"prevResult":${prevResult}}`
const run = (command: string, pod?: string, namespace?: string): Promise<PluginRun> =>
  runPlugin([SANITIZED_PLUGIN], environment(command, pod, namespace), config())

describe('istio-cni without an agent', () => {
  test.each([
    { command: 'ADD', code: 11 },
    { command: 'CHECK', code: 11 },
    { command: 'STATUS', code: 50 },
  ])('answers $command with error $code', async ({ command, code }) => {
    const { status, stdout, stderr } = await run(command)
    expect(JSON.parse(stdout)).toMatchObject({ cniVersion: '1.0.0', code })
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
  })

  test('lets STATUS succeed where the node’s network shall not depend on it', async () => {
    for (const [value, status] of [
      ['true', 0],
      ['false', 1],
      ['"true"', 1],
    ] as const) {
      const input = config(`"ready_without_agent":${value},`)
      expect((await runPlugin([SANITIZED_PLUGIN], environment('STATUS'), input)).status).toBe(status)
    }
  })

  test.each(['DEL', 'GC'])('lets %s succeed without a word', async (command) => {
    expect(await run(command)).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test.each([
    { name: 'the agent’s own pod', pod: 'istio-cni-node-x7k2p', namespace: 'istio-system' },
    { name: 'a pod of an excluded namespace', pod: 'web', namespace: 'monitoring' },
  ])('hands the result of $name on byte for byte', async ({ pod, namespace }) => {
    expect(await run('ADD', pod, namespace)).toEqual({ status: 0, stdout: prevResult, stderr: '' })
  })

  test.each([
    { name: 'a pod that only looks like the agent', pod: 'istio-cni-node-x7k2p', namespace: 'shop' },
    { name: 'a pod whose name is the prefix alone', pod: 'istio-cni-node-', namespace: 'istio-system' },
    { name: 'another pod of the agent’s namespace', pod: 'istiod-1', namespace: 'istio-system' },
    { name: 'a namespace that begins like an excluded one', pod: 'web', namespace: 'kube-system-2' },
    { name: 'a pod without a namespace', pod: 'web', namespace: '' },
  ])('makes $name wait', async ({ pod, namespace }) => {
    expect(JSON.parse((await run('ADD', pod, namespace)).stdout)).toMatchObject({
      cniVersion: '1.0.0',
      code: 11,
    })
  })

  test('makes a pod wait when CNI_ARGS is missing', async () => {
    const { CNI_ARGS: _, ...rest } = environment('ADD')
    expect(JSON.parse((await runPlugin([SANITIZED_PLUGIN], rest, config())).stdout)).toMatchObject({
      cniVersion: '1.0.0',
      code: 11,
    })
  })

  test('prints an empty result of the asked version when there is no earlier one', async () => {
    const text = `{"cniVersion":"0.4.0","cni_agent_run_dir":"${nowhere}","exclude_namespaces":["shop"]}`
    expect((await runPlugin([SANITIZED_PLUGIN], environment('ADD'), text)).stdout).toBe(
      '{"cniVersion":"0.4.0"}',
    )
  })
})

test.each(['0.3.1', '0.4.0', '1.0.0', '1.1.0'])(
  'istio-cni answers VERSION by itself and echoes %s',
  async (cniVersion) => {
    const { status, stdout } = await runPlugin(
      [SANITIZED_PLUGIN],
      { CNI_COMMAND: 'VERSION' },
      JSON.stringify({ cniVersion }),
    )
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      cniVersion,
      supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    })
  },
)

test.each([
  { name: 'no command', env: {}, input: '{}', code: 4 },
  { name: 'an empty command', env: { CNI_COMMAND: '' }, input: '{}', code: 4 },
  { name: 'an unknown command', env: { CNI_COMMAND: 'add' }, input: '{}', code: 4 },
  { name: 'empty input', env: environment('ADD'), input: '', code: 6 },
  { name: 'truncated JSON', env: environment('ADD'), input: config().slice(0, -9), code: 6 },
  { name: 'an array', env: environment('ADD'), input: '[]', code: 6 },
  { name: 'a NUL byte between members', env: environment('ADD'), input: '{"a":1,\0"b":2}', code: 6 },
  { name: 'text after the object', env: environment('ADD'), input: '{} x', code: 6 },
  { name: 'more than 1 MiB', env: environment('ADD'), input: `{"a":"${'x'.repeat(1 << 20)}"}`, code: 5 },
])('istio-cni answers $name with error $code', async ({ env, input, code }) => {
  const { status, stdout, stderr } = await runPlugin([SANITIZED_PLUGIN], env, input)
  expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
  expect(JSON.parse(stdout)).toMatchObject({ code })
})

test.each([
  {
    name: 'deep nesting',
    input: `{"cni_agent_run_dir":"${nowhere}","a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
  },
  {
    name: 'a version that is no version',
    input: `{"cniVersion":"1.0.0\\",\\"x","cni_agent_run_dir":"${nowhere}"}`,
  },
  { name: 'a run directory of 4,000 bytes', input: `{"cni_agent_run_dir":"/${'d'.repeat(4000)}"}` },
  {
    name: 'a namespace list of all kinds of values',
    input: `{"cni_agent_run_dir":"${nowhere}","exclude_namespaces":[1,null,["shop"],{"shop":"shop"},"sh\\u006fp"]}`,
  },
])('istio-cni survives $name and makes the pod wait', async ({ input }) => {
  const { status, stdout, stderr } = await runPlugin([SANITIZED_PLUGIN], environment('ADD'), input)
  expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
  expect(JSON.parse(stdout)).toMatchObject({ code: 11 })
})

test('istio-cni reads 300,000 mutations of its input without a step outside of it', async () => {
  const seeds = [
    config('"a":[1,{"b":"\\"x\\"}],"c":-1.5e3,"d":null,"ready_without_agent":true,'),
    '{"exclude_namespaces":["shop",["shop"],{"x":"shop"},"sh\\u006fp",1,null],"prevResult":[[[{}]]]}',
  ]
  for (const [number, seed] of seeds.entries()) {
    const fuzzed = await runPlugin([FUZZ, `${number}`, '150000'], {}, seed)
    expect(fuzzed).toEqual({ status: 0, stdout: '150000 mutations\n', stderr: '' })
  }
})

test('istio-cni finds in what JSON.parse takes what JSON.parse finds', async () => {
  const random = seeded(7)
  const keys = [
    'cniVersion',
    'cni_agent_run_dir',
    'exclude_namespaces',
    'pod_namespace',
    'prevResult',
    'ready_without_agent',
  ]
  const texts = Array.from({ length: 4000 }, () => randomObject(random, keys)).filter(isJsonObject)
  expect(texts.length).toBeGreaterThan(1500)
  const input = Buffer.concat(
    texts.flatMap((text) => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(Buffer.byteLength(text))
      return [length, Buffer.from(text)]
    }),
  )
  const { status, stdout, stderr } = await runPlugin([FUZZ], {}, input)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const expected = texts.map((text) => {
    const value = parseObject(text)
    const found = keys.map((key) => {
      const raw = rawMember(text, key)
      return raw === undefined ? '-' : `${Buffer.byteLength(raw)}:${raw}`
    })
    const excluded = value['exclude_namespaces']
    return `1 ${found.join(' ')} ${Array.isArray(excluded) && excluded.includes('shop') ? 1 : 0}\n`
  })
  expect(stdout).toBe(expected.join(''))
})

test('istio-cni answers every verb of 60 mutated configurations with a result or an error object', async () => {
  const random = seeded(42)
  const original = Buffer.from(config('"a":[1,{"b":"\\"x\\"}],"c":-1.5e3,"d":null,'))
  const bad: string[] = []
  const one = async (): Promise<void> => {
    const input = Buffer.from(original)
    for (let n = random(6) + 1; n > 0; n--)
      input[random(input.length)] = random(3) === 0 ? random(256) : (original[random(original.length)] ?? 0)
    const commands = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION']
    const part = random(5) === 0 ? input.subarray(0, random(input.length)) : input
    // A mutated run directory is another path below the same root: still nobody answers there.
    const { status, stderr, stdout } = await runPlugin(
      [SANITIZED_PLUGIN],
      environment(commands[random(6)] ?? ''),
      part,
    )
    if ((status !== 0 && status !== 1) || stderr !== '' || (status === 1 && !isErrorObject(stdout)))
      bad.push(`${status} ${stderr} ${stdout} for ${part.toString('latin1')}`)
  }
  for (let batch = 0; batch < 15; batch++) await Promise.all([one(), one(), one(), one()])
  expect(bad).toEqual([])
})

describe('istio-cni with something on the socket', () => {
  const text = (path: string): string =>
    `{"cniVersion":"1.1.0","cni_agent_run_dir":"${path}","exclude_namespaces":["kube-system"],"prevResult":${prevResult}}`

  test.each([
    { name: 'closes at once', answer: '' },
    { name: 'speaks something else', answer: 'SSH-2.0-x\r\n\r\n' },
    { name: 'stops in the middle', answer: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"cniVersion"' },
    { name: 'says no length', answer: 'HTTP/1.1 200 OK\r\n\r\n{}' },
    { name: 'answers with NUL bytes', answer: '\0'.repeat(100) },
  ])('makes the pod wait when it $name', async ({ answer }) => {
    const path = mkdtempSync(join(directory, 's'))
    const server = await rawServer(path, answer)
    const { stdout, stderr } = await runPlugin([SANITIZED_PLUGIN], environment('ADD'), text(path))
    server.close()
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toMatchObject({ code: 11 })
  })

  test('prints the answer of the agent and passes on its verdict, costing at most 5 ms beyond it (15 on a loaded machine)', async () => {
    const path = mkdtempSync(join(directory, 'a'))
    let busyMs = 0
    await using endpoint = await openPluginEndpoint({
      path: join(path, 'pluginevent.sock'),
      maxRequestBytes: 1 << 21,
      maxConnections: 16,
      status: () => ({}),
      onAnswered: () => {},
      actions: {
        isReady: true,
        judge: ({ command }) => {
          const from = performance.now()
          return Promise.resolve<'pass' | 'enrol'>(command === 'CHECK' ? 'enrol' : 'pass').finally(
            () => (busyMs = performance.now() - from),
          )
        },
        enrol: () => Promise.resolve(),
        check: () => Promise.reject(new Error('not whole')),
        detach: () => Promise.resolve(),
        detachAllBut: () => Promise.resolve(),
      },
    })
    expect(endpoint).toBeDefined()
    expect(await runPlugin([SANITIZED_PLUGIN], environment('ADD'), text(path))).toEqual({
      status: 0,
      stdout: prevResult,
      stderr: '',
    })
    expect(
      JSON.parse((await runPlugin([SANITIZED_PLUGIN], environment('CHECK'), text(path))).stdout),
    ).toMatchObject({ code: 11, details: 'not whole' })
    expect(await runPlugin([SANITIZED_PLUGIN], environment('STATUS'), text(path))).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    })

    // What a run costs over a program that does nothing, in the same way of starting it.
    const time = async (words: readonly string[]): Promise<number> => {
      const from = performance.now()
      await runPlugin(words, environment('ADD'), text(path))
      return performance.now() - from - busyMs
    }
    const costs: number[] = []
    for (let n = 0; n < 40; n++) {
      const nothing = await time(['/bin/true'])
      costs.push((await time([PLUGIN])) - nothing)
    }
    costs.sort((a, b) => a - b)
    const median = costs[20] ?? Infinity
    process.stdout.write(
      `istio-cni costs ${median.toFixed(2)} ms (median of 40), worst ${costs.at(-1)?.toFixed(2)} ms, beyond an empty program and the agent's thinking\n`,
    )
    expect(median).toBeLessThan(15)
  })
})

type RandomBelow = (below: number) => number

function seeded(seed: number): RandomBelow {
  let state = seed
  return (below) => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) % below
}

/** JSON, more often than not, of some of `keys` in any form and order, and of others. */
function randomObject(random: RandomBelow, keys: readonly string[]): string {
  const space = (): string => ['', '', ' ', '\n\t'][random(4)] ?? ''
  const key = (): string => JSON.stringify(random(3) === 0 ? `x${random(9)}` : keys[random(keys.length)])
  const scalar = (): string =>
    [
      '"shop"',
      '"sh\\"op"',
      '""',
      '-1.5e3',
      '0',
      'true',
      'null',
      '"\\u0041"',
      '"é"',
      '"]}"',
      'tru',
      '01',
      '"',
    ][random(random(8) === 0 ? 13 : 10)] ?? ''
  const many = (make: () => string): string =>
    Array.from({ length: random(4) }, () => `${space()}${make()}${space()}`).join(',')
  const value = (depth: number): string => {
    const kind = depth > 3 ? 0 : random(4)
    if (kind === 1) return `[${many(() => value(depth + 1))}]`
    if (kind === 2) return `{${many(() => `${key()}${space()}:${space()}${value(depth + 1)}`)}}`
    return scalar()
  }
  return `${space()}{${many(() => `${key()}${space()}:${space()}${value(0)}`)}}${space()}`
}

function isJsonObject(text: string): boolean {
  try {
    parseObject(text)
    return true
  } catch {
    return false
  }
}

function isErrorObject(text: string): boolean {
  try {
    return typeof parseObject(text)['code'] === 'number'
  } catch {
    return false
  }
}

function rawServer(path: string, answer: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(answer))
  })
  return new Promise((resolve) => server.listen(join(path, 'pluginevent.sock'), () => resolve(server)))
}
