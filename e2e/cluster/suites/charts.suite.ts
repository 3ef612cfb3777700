/** What the chart renders, without a cluster: goldens in `charts/testdata`, and what it refuses to render. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'

const root = process.env['E2E_ROOT'] ?? ''
const chart = join(root, 'charts/ambient')
const folder = join(root, 'charts/testdata')
const helm = new Cluster({ kubeconfig: '', path: process.env['PATH'] ?? '' })
const cases = readdirSync(folder)
  .filter((file) => file.endsWith('.in.yaml'))
  .map((file) => file.slice(0, -'.in.yaml'.length))

function render(...values: readonly string[]): readonly string[] {
  const cluster = ['--kube-version', 'v1.34.0', '-n', 'istio-system']
  return ['helm', 'template', 'ambient', chart, ...cluster, ...values]
}

/** Everything but the definitions, which are generated and have a check of their own. */
function withoutDefinitions(text: string): string {
  const documents = text
    .split(/^---\n/m)
    .filter((each) => !each.includes('\nkind: CustomResourceDefinition\n'))
  return documents.join('---\n').replaceAll(/[ \t]+$/gm, '')
}

test.each(cases)('the chart renders %s as it did, and the same each time', async (name) => {
  const values = ['-f', join(folder, `${name}.in.yaml`)]
  const text = await helm.must(render(...values))
  expect(await helm.must(render(...values))).toBe(text)
  const file = join(folder, `${name}.out.yaml`)
  if (process.env['UPDATE_GOLDENS'] === '1') writeFileSync(file, withoutDefinitions(text))
  expect(withoutDefinitions(text)).toBe(readFileSync(file, 'utf8'))
})

test.each([
  { set: 'global.hub=', says: 'global.hub is empty: say where the images are' },
  { set: 'global.tag=', says: 'global.tag is empty: say which version' },
  { set: 'global.platform=windows', says: '/global/platform' },
  { set: 'global.huub=x', says: "'huub' not allowed" },
  { set: 'profile=demo', says: '/profile' },
  { set: 'cni.redirectMod=nftables', says: "'redirectMod' not allowed" },
  { set: 'cni.redirectMode=ebpf', says: '/redirectMode' },
  { set: 'cni.redirectMode=iptables,global.nativeNftables=true', says: 'take one of them away' },
  { set: 'istiod.replicaCount=0', says: '/replicaCount' },
  { set: 'istiod.revision=Not_A_Label', says: '/revision' },
  { set: 'istiod.validationFailurePolicy=Maybe', says: '/validationFailurePolicy' },
  { set: 'ztunnel.terminationGracePeriodSeconds=soon', says: '/terminationGracePeriodSeconds' },
])('the chart refuses $set in words', async ({ set, says }) => {
  const { code, stderr } = await helm.run(render('--set', 'global.hub=h,global.tag=t', '--set', set))
  expect(stderr).toContain(says)
  expect(code).toBe(1)
})
