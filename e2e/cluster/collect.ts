/** Everything that helps to understand a failed run, in files. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'

export async function collect(
  cluster: Cluster,
  directory: string,
  namespace: string,
  say: (text: string) => void,
): Promise<void> {
  mkdirSync(directory, { recursive: true })
  const looks: Readonly<Record<string, readonly string[]>> = {
    'pods.txt': ['get', 'pods', '-A', '-o', 'wide'],
    'events.txt': ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
    'describe.txt': ['describe', 'pods', '-n', namespace],
    'istiod.log': ['logs', '-n', namespace, '-l', 'app=istiod', '--tail=-1', '--prefix'],
    'cni.log': [
      'logs',
      '-n',
      namespace,
      '-l',
      'app=istio-cni',
      '--tail=-1',
      '--prefix',
      '--max-log-requests=9',
    ],
    'ztunnel.log': [
      'logs',
      '-n',
      namespace,
      '-l',
      'app=ztunnel',
      '--tail=-1',
      '--prefix',
      '--max-log-requests=9',
    ],
  }
  for (const [file, args] of Object.entries(looks)) {
    const { stdout, stderr } = await cluster.run(['kubectl', ...args])
    writeFileSync(join(directory, file), stdout + stderr)
  }
  say(`what the cluster said lies in ${directory}`)
}
