import {
  attachByLink,
  KernelObject,
  programsByLink,
  readCounters,
  redirectObject,
  writeOwnAddresses,
} from '@ambient/bpf'
import { NetworkNamespace } from '@ambient/linux'
import { requireRoot } from '@ambient/testkit'
import { describe, expect, test } from 'vitest'
import { OBJECT } from './steered-pod.ts'

describe.skipIf(!requireRoot())('README', () => {
  test('its example runs', () => {
    using netns = NetworkNamespace.create()
    using redirect = KernelObject.load(OBJECT, redirectObject)
    writeOwnAddresses(redirect.map('own_addresses'), ['10.1.0.4'])
    const lo = { netns, device: 1, direction: 'ingress' } as const
    using link = attachByLink(redirect.program('lo_ingress'), lo)
    expect(link.id()).toBeGreaterThan(0)
    expect(programsByLink(lo)).toEqual([redirect.program('lo_ingress').id()])
    expect(readCounters(redirect.map('counters')).get('outbound')).toBe(0)
  })
})
