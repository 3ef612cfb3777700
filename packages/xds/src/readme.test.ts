import { defineWorkload } from '@ambient/model'
import { expect, test } from 'vitest'
import { ADDRESS_TYPE, decodeAddress, encodeAddressResource, ResourceTable } from './index.ts'

test('the README’s example runs', () => {
  const told: string[][] = []
  const web = defineWorkload({ uid: 'web-1', name: 'web', namespace: 'shop', addresses: ['10.0.0.1'] })
  const table = new ResourceTable(ADDRESS_TYPE)
  table.onChange((names) => told.push([...names]))
  table.apply([encodeAddressResource({ kind: 'workload', workload: web })], [])
  table.apply([encodeAddressResource({ kind: 'workload', workload: web })], [])
  expect(told).toEqual([['web-1']])

  const resource = table.get('web-1')
  expect(resource && decodeAddress(resource.bytes)).toEqual({ kind: 'workload', workload: web })
})
