import { expect, test } from 'vitest'
import { addPorts, removePorts } from './pod-sysctls.ts'

test.each([
  { list: '', expected: '15001,15006' },
  { list: '80', expected: '80,15001,15006' },
  { list: '15000-15004', expected: '15000-15004,15006' },
  { list: '15001,15006', expected: '15001,15006' },
])('addPorts() makes "$expected" of "$list"', ({ list, expected }) => {
  expect(addPorts(list, [15_001, 15_006])).toBe(expected)
})

test.each([
  { list: '15001,15006', expected: '' },
  { list: '80,15001', expected: '80' },
  { list: '15000-15010', expected: '15000-15010' },
])('removePorts() makes "$expected" of "$list"', ({ list, expected }) => {
  expect(removePorts(list, [15_001, 15_006])).toBe(expected)
})
