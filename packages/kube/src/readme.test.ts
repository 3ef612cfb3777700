import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@ambient/lifecycle'
import { expect, test } from 'vitest'
import { type FileProblem, FileResources, readPod, refOf } from './index.ts'

test('the README’s example runs', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kube-readme-'))
  const problems: FileProblem[] = []
  const seen: string[] = []
  const ended = new AbortController()
  writeFileSync(
    join(directory, 'web.yaml'),
    '{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {nodeName: node-a}, status: {podIP: 10.1.0.7}}',
  )
  try {
    await using resources = await FileResources.open({
      directory,
      clock: systemClock,
      report: (problem) => problems.push(problem),
    })
    const [pod] = await resources.list('Pod', {
      namespace: 'shop',
      fieldSelector: { 'spec.nodeName': 'node-a' },
    })
    if (pod === undefined) expect.fail('there is a pod')

    await resources.applyAnnotations(
      refOf(pod),
      { 'ambient.istio.io/redirection': 'enabled' },
      { owner: 'istio-cni' },
    )

    for await (const event of resources.watch('Pod', ended.signal)) {
      if (event.type === 'synced') break
      seen.push(`${event.type} ${event.object.metadata.name} ${readPod(event.object).podIps.join()}`)
      expect(event.object.metadata.annotations).toEqual({ 'ambient.istio.io/redirection': 'enabled' })
    }
    expect(seen).toEqual(['added web 10.1.0.7'])
    expect(problems).toEqual([])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
