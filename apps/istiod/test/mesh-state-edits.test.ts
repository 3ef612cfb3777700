import type { Collection } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { DEFAULT_MESH } from '../src/translate/mesh-options.ts'
import { type MeshState, meshState } from '../src/translate/mesh-state.ts'
import { goldenCases, goldenObjects, placeIn } from './golden-objects.ts'

/** A state that counts its faults. */
function freshState(): { readonly state: MeshState; readonly faults: () => number } {
  const state = meshState(DEFAULT_MESH, () => {})
  return { state, faults: () => state.graph.faults.length }
}

function put(state: MeshState, object: KubeObject): void {
  const { input, key } = placeIn(state, object)
  input.set(key, object)
}

/** What an invalid object means depends on what was before it, so that only valid ones can be put in any order. */
function isValid(object: KubeObject): boolean {
  const { state, faults } = freshState()
  state.graph.transaction(() => put(state, object))
  return faults() === 0
}

/** Every object of every golden case, many of them versions of one and the same, each with a version of its own. */
const pool = goldenCases()
  .flatMap(goldenObjects)
  .map((object, n) => ({ ...object, metadata: { ...object.metadata, resourceVersion: String(n) } }))
  .filter(isValid)

function contents(collection: Collection<unknown>): unknown {
  return Object.fromEntries([...collection.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function everything({ addresses, policies, status, warnings, addressClaims }: MeshState): readonly unknown[] {
  return [addresses, policies, status.conditions, warnings, addressClaims].map(contents)
}

test('meshState() gives after any edits of all that goldens have what it gives from scratch (property)', () => {
  expect(pool.length).toBeGreaterThan(200)
  // Objects of one golden case meet more often than those of any two.
  const index = fc.nat(pool.length - 1)
  const near = fc.tuple(index, fc.array(fc.nat(8), { minLength: 1, maxLength: 8 }))
  const batch = near.map(([at, steps]) => steps.map((step) => (at + step) % pool.length))
  const edits = fc.array(fc.record({ batch, isRemoval: fc.boolean() }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(edits, (all) => {
      const { state, faults } = freshState()
      const mirror = new Map<string, unknown>()
      state.addresses.onChange((changes) => {
        for (const { key, after } of changes)
          if (after === undefined) mirror.delete(key)
          else mirror.set(key, after)
      })
      for (const { batch: chosen, isRemoval } of all) {
        state.graph.transaction(() => {
          for (const n of chosen) {
            const object = pool[n] ?? expect.fail('an object')
            const { input, key } = placeIn(state, object)
            if (isRemoval) input.delete(key)
            else input.set(key, object)
          }
        })
      }
      const scratch = freshState()
      scratch.state.graph.transaction(() => {
        for (const input of [...state.inputs.values(), ...Object.values(state.remoteInputs)])
          for (const [, object] of input.entries()) put(scratch.state, object)
      })
      expect(everything(state)).toEqual(everything(scratch.state))
      expect(Object.fromEntries(mirror)).toEqual(contents(state.addresses))
      expect([faults(), scratch.faults()]).toEqual([0, 0])
    }),
    { numRuns: 300 },
  )
})
