import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CniRefusal, CniRuntime, configuredNetwork, podNetwork } from './cni-runtime.ts'
import { expect, onTestFinished, test } from 'vitest'
import type { CommandOptions, CommandResult } from './run-command.ts'

const attachment = {
  containerId: 'c1',
  netns: '/var/run/netns/cni-c1',
  interfaceName: 'eth0',
  pod: { namespace: 'shop', name: 'web', uid: 'uid-1' },
}
const primary = podNetwork([{ subnet: '10.244.1.0/24', everywhere: '0.0.0.0/0' }])
const network = { ...primary, plugins: [...primary.plugins, { type: 'istio-cni', ambient_enabled: true }] }

interface Call {
  readonly plugin: string
  readonly command: string
  readonly request: Record<string, unknown>
  readonly env: Readonly<Record<string, string>>
}

/** A runtime over plugins that answer as told; `calls` is what they were asked. */
function runtime(answers: Readonly<Record<string, Partial<CommandResult>>>): {
  runtime: CniRuntime
  calls: readonly Call[]
} {
  const calls: Call[] = []
  const run = (argv: readonly string[], { input = '', env = {} }: CommandOptions): Promise<CommandResult> => {
    const plugin = argv[0] ?? ''
    const command = env['CNI_COMMAND'] ?? ''
    calls.push({ plugin, command, request: JSON.parse(input) as Record<string, unknown>, env })
    return Promise.resolve({ code: 0, stdout: '{}', stderr: '', ms: 1, ...answers[`${command} ${plugin}`] })
  }
  return {
    runtime: new CniRuntime(() => network, { run, findPlugin: (type) => type, pluginPath: '/a:/b' }),
    calls,
  }
}

const first = { cniVersion: '1.0.0', ips: [{ address: '10.244.1.2/24' }] }
const done = { stdout: JSON.stringify(first) }

test('add() hands each plugin the result of the one before, with the name of the list and the pod', async () => {
  const { runtime: cni, calls } = runtime({ 'ADD ptp': done, 'ADD istio-cni': done })
  await expect(cni.add(attachment)).resolves.toEqual({ ips: ['10.244.1.2'], json: first })
  expect(calls.map(({ plugin, command }) => `${command} ${plugin}`)).toEqual(['ADD ptp', 'ADD istio-cni'])
  expect(calls[0]?.request).not.toHaveProperty('prevResult')
  expect(calls[1]?.request).toEqual({
    type: 'istio-cni',
    ambient_enabled: true,
    cniVersion: '1.0.0',
    name: 'lab',
    prevResult: first,
  })
  expect(calls[1]?.env).toMatchObject({
    CNI_NETNS: '/var/run/netns/cni-c1',
    CNI_PATH: '/a:/b',
    CNI_ARGS:
      'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=uid-1',
  })
})

test('add() undoes the chain backwards when a plugin refuses, and tells its code and words', async () => {
  const refusal = { code: 1, stdout: JSON.stringify({ code: 11, msg: 'agent away', details: 'no socket' }) }
  const { runtime: cni, calls } = runtime({ 'ADD ptp': done, 'ADD istio-cni': refusal })
  const adding = cni.add(attachment)
  await expect(adding).rejects.toBeInstanceOf(CniRefusal)
  await expect(adding).rejects.toMatchObject({
    cniCode: 11,
    message: 'CNI ADD by istio-cni refused with 11: agent away no socket',
  })
  expect(calls.map(({ plugin, command }) => `${command} ${plugin}`).slice(2)).toEqual([
    'DEL istio-cni',
    'DEL ptp',
  ])
})

test('del() lets every plugin have its turn before it tells of a refusal, a crash included', async () => {
  const { runtime: cni, calls } = runtime({
    'DEL istio-cni': { code: 139, stdout: '', stderr: 'Segmentation fault' },
  })
  await expect(cni.del(attachment, first)).rejects.toThrow(
    'CNI DEL by istio-cni refused with 999: Segmentation fault',
  )
  expect(calls.map(({ plugin }) => plugin)).toEqual(['istio-cni', 'ptp'])
  expect(calls.every(({ request }) => JSON.stringify(request['prevResult']) === JSON.stringify(first))).toBe(
    true,
  )
})

test('configuredNetwork() takes the first list that can be read, at each call anew', () => {
  const directory = mkdtempSync(join(tmpdir(), 'lab-networks-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const write = (name: string, text: string): void => writeFileSync(join(directory, name), text)
  expect(() => configuredNetwork(directory)).toThrow('No network is configured')
  write('10-lab.conflist', JSON.stringify(primary))
  write('00-broken.conflist', '{"plugins": [')
  write('01-notes.txt', '{}')
  expect(configuredNetwork(directory)).toEqual(primary)
  write('05-other.conflist', JSON.stringify(network))
  expect(configuredNetwork(directory)).toEqual(network)
})
