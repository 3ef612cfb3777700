import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileResources } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { waitFor } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { END_CONFIG_MAP } from '../agent/cluster-view.ts'
import { unenrolCluster } from './unenrol-cluster.ts'

function pod(name: string, phase: string, annotations = ''): string {
  return `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop, annotations: {${annotations}}}, status: {phase: ${phase}}}`
}

const ENROLLED = 'ambient.istio.io/redirection: enabled'

test('unenrolCluster() gives the sign, and waits for every pod that runs and for none that is finished', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'unenrol-cluster-'))
  const put = (name: string, text: string): void => {
    writeFileSync(join(directory, '.put'), text)
    renameSync(join(directory, '.put'), join(directory, `${name}.yaml`))
  }
  put('web', pod('web', 'Running', ENROLLED))
  put('errand', pod('errand', 'Succeeded', ENROLLED))
  put('other', pod('other', 'Running'))
  const resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  try {
    const said: string[] = []
    const request = { resources, namespace: 'istio-system', clock: systemClock }
    const left = unenrolCluster({ ...request, say: (text) => said.push(text) })
    await waitFor('the first look', () => said.length > 0)
    const maps = await resources.list('ConfigMap', { namespace: 'istio-system' })
    expect(maps.map(({ metadata }) => metadata.name)).toEqual([END_CONFIG_MAP])
    put('web', pod('web', 'Running'))
    expect(await left).toEqual([])
    expect(said).toEqual(['1 pods in the mesh', '0 pods in the mesh'])
  } finally {
    await resources[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  }
})
