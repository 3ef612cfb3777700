import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type KubeObject, objectKey, objectsFromYaml, toYaml } from '@ambient/kube'
import { expect, test } from 'vitest'
import type { PlanInput, WaypointDefaults } from './plan-input.ts'
import { describeAction, planWaypoint } from './plan-waypoint.ts'
import { statusToWrite } from './waypoint-status.ts'
import { WaypointWorld } from '../waypoint-world.ts'

/** `UPDATE_GOLDENS=1 npm test` rewrites the expected files; read the difference before you commit it. */
const isUpdate = process.env['UPDATE_GOLDENS'] === '1'
const directory = join(import.meta.dirname, 'testdata')
const cases = readdirSync(directory).flatMap((name) => (name.endsWith('.in.yaml') ? [name.slice(0, -8)] : []))
const NOW_MS = Date.parse('2026-01-02T03:04:05Z')

test.each(cases)('planWaypoint() turns %s.in.yaml into the .out.yaml of that name', (name) => {
  const input = readFileSync(join(directory, `${name}.in.yaml`), 'utf8')
  const actual = toYaml(planned(objectsFromYaml(input), /^# whole$/m.test(input)))
  const path = join(directory, `${name}.out.yaml`)
  if (isUpdate) writeFileSync(path, actual)
  expect(actual).toBe(readFileSync(path, 'utf8'))
})

test('testdata holds no expected file without its input', () => {
  const orphans = readdirSync(directory).filter((name) => !cases.some((each) => name.startsWith(`${each}.`)))
  expect(orphans).toEqual([])
  expect(cases.length).toBeGreaterThan(5)
})

const DEFAULTS: WaypointDefaults = {
  systemNamespace: 'istio-system',
  revision: 'default',
  clusterId: 'Kubernetes',
  network: '',
  trustDomain: 'cluster.local',
  domainSuffix: 'cluster.local',
  discoveryAddress: 'istiod.istio-system.svc:15012',
  image: 'hub/waypoint:1.0',
  imagePullPolicy: 'IfNotPresent',
}

function inputs(objects: readonly KubeObject[]): readonly PlanInput[] {
  const world = new WaypointWorld()
  for (const object of objects) world.set(object)
  return world
    .all('Gateway')
    .map(({ metadata }) => world.inputFor(objectKey(metadata), DEFAULTS))
    .filter((input) => input !== undefined)
}

/** By Gateway: what is done, in a line each or with the whole object, and its status. */
function planned(objects: readonly KubeObject[], isWhole: boolean): unknown {
  return Object.fromEntries(
    inputs(objects).map((input) => {
      const plan = planWaypoint(input)
      const { namespace, name } = input.gateway.metadata
      if (plan.kind === 'foreign') return [`${namespace}/${name}`, plan]
      return [
        `${namespace}/${name}`,
        {
          actions: plan.actions.map((action) =>
            isWhole && action.kind === 'apply' ? { apply: action.object } : describeAction(action),
          ),
          status: statusToWrite(input.gateway, plan.status, NOW_MS),
        },
      ]
    }),
  )
}
