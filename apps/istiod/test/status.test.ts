import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fieldsOf, FileResources } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { expect, test, vi } from 'vitest'
import { type MeshFixture, meshFixture, runIstiod } from './mesh-fixture.ts'

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}
`

/** Runs an istiod until `seen` holds of the policy's conditions, and returns them. */
async function runUntil(
  fixture: MeshFixture,
  seen: (conditions: readonly unknown[]) => boolean,
): Promise<{ readonly conditions: readonly unknown[]; readonly metrics: string }> {
  await using istiod = await runIstiod(fixture)
  await istiod.serving
  const { directory } = fixture
  await using resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  const metricsNow = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${istiod.monitoringPort}/metrics`)).text()
  return await vi.waitFor(
    async () => {
      const [policy] = await resources.list('AuthorizationPolicy')
      const listed = policy === undefined ? [] : fieldsOf(policy).get('status').get('conditions').list()
      const conditions = listed.map((field) => field.value)
      const metrics = await metricsNow()
      expect([seen(conditions), metrics.includes('ambient_leader{lease="istio-status-leader"} 1')]).toEqual([
        true,
        true,
      ])
      return { conditions, metrics }
    },
    { timeout: 10_000 },
  )
}

test('startIstiod() writes each condition once, in no file of the user’s, and a restart writes nothing again', async () => {
  using fixture = await meshFixture()
  fixture.put('policy.yaml', POLICY)
  const first = await runUntil(fixture, (conditions) => conditions.length === 1)
  expect(first.conditions).toEqual([
    {
      type: 'ZtunnelAccepted',
      status: 'True',
      reason: 'UnsupportedValue',
      message: expect.stringContaining(
        'rules[0] has methods: the rule is left out and allows nothing',
      ) as unknown,
      observedGeneration: expect.any(Number) as unknown,
      lastTransitionTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as unknown,
    },
  ])
  expect(first.metrics).toContain('ambient_status_writes_total{result="written"} 1')
  expect(readFileSync(join(fixture.directory, 'policy.yaml'), 'utf8')).toBe(POLICY)

  // The first gave its lease up, so the second leads at once.
  const second = await runUntil(fixture, (conditions) => conditions.length === 1)
  expect(second.conditions).toEqual(first.conditions)
  expect(second.metrics).not.toContain('ambient_status_writes_total{')
})
