import { redirectCauses, redirectObject } from '@ambient/bpf'
import { expect, test } from 'vitest'
import { btfLayouts } from './btf-layout.ts'
import { OBJECT } from './steered-pod.ts'

const layouts = btfLayouts(OBJECT)

test('the maps have the sizes that the compiler gave their structures', () => {
  const bytes = (name: string): number | undefined => layouts.get(name)?.bytes
  const { settings, own_addresses: own, dns_questions: questions } = redirectObject.maps
  expect({ settings, own, questions }).toEqual({
    settings: { keyBytes: 4, valueBytes: bytes('mesh_settings') },
    own: { keyBytes: bytes('mesh_address'), valueBytes: 4 },
    questions: { keyBytes: bytes('mesh_dns_question'), valueBytes: bytes('mesh_dns_resolver') },
  })
})

test('the settings are where writeSettings() puts them', () => {
  expect(layouts.get('mesh_settings')?.members).toEqual({
    probe_v4: 0,
    probe_v6: 16,
    mark: 32,
    mask: 36,
    flags: 40,
  })
})

test('the causes have the names and the order of their counters', () => {
  const expected = redirectCauses.map((cause, index) => [`MESH_${cause.toUpperCase()}`, index] as const)
  expect(layouts.get('mesh_cause')?.members).toEqual(
    Object.fromEntries([...expected, ['MESH_CAUSES', redirectCauses.length]]),
  )
})
