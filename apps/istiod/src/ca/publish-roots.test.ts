import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileResources } from '@ambient/kube'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import { waitFor } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { publishRoots, ROOT_CONFIG_MAP } from './publish-roots.ts'

test('publishRoots() puts the bundle into every namespace, follows a new bundle, and repairs what somebody takes away', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'publish-roots-'))
  const put = (name: string): void => {
    writeFileSync(join(directory, '.put'), `{apiVersion: v1, kind: Namespace, metadata: {name: ${name}}}`)
    renameSync(join(directory, '.put'), join(directory, `${name}.yaml`))
  }
  put('shop')
  put('kube-public')
  const resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  const ended = new AbortController()
  let pem = 'ROOT 1'
  let next = Promise.withResolvers<void>()
  const failures: string[] = []
  const running = publishRoots(
    {
      source: resources,
      writer: resources,
      clock: systemClock,
      random: systemRandom,
      roots: () => ({ pem, changed: next.promise }),
      onFailure: (what, cause) => failures.push(`${what}: ${String(cause)}`),
    },
    ended.signal,
  )
  const seen = async (): Promise<string> => {
    const maps = await resources.list('ConfigMap')
    return maps
      .filter(({ metadata }) => metadata.name === ROOT_CONFIG_MAP)
      .map(({ metadata, data }) => `${metadata.namespace} ${JSON.stringify(data)}`)
      .toSorted()
      .join(' ')
  }
  const becomes = (text: string): Promise<unknown> =>
    waitFor(`the config maps to be ${text}`, async () => (await seen()) === text, { deadlineMs: 5_000 })
  try {
    await becomes('shop {"root-cert.pem":"ROOT 1"}')
    put('bank')
    await becomes('bank {"root-cert.pem":"ROOT 1"} shop {"root-cert.pem":"ROOT 1"}')
    pem = 'ROOT 2'
    next.resolve()
    next = Promise.withResolvers()
    await becomes('bank {"root-cert.pem":"ROOT 2"} shop {"root-cert.pem":"ROOT 2"}')
    const ref = { kind: 'ConfigMap', namespace: 'shop', name: ROOT_CONFIG_MAP } as const
    await resources.delete(ref, { owner: 'istio-ca-root-cert' })
    await becomes('bank {"root-cert.pem":"ROOT 2"} shop {"root-cert.pem":"ROOT 2"}')
    unlinkSync(join(directory, 'bank.yaml'))
    expect(failures).toEqual([])
  } finally {
    ended.abort()
    await running
    await resources[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  }
})
