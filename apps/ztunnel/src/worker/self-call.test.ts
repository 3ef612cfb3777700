import { illegalPorts } from '@ambient/telemetry'
import { expect, test } from 'vitest'
import { isSelfCall } from './self-call.ts'

test.each([
  { ip: '127.0.0.1', port: 15_001, expected: true },
  { ip: '127.0.0.1', port: 15_006, expected: true },
  { ip: '127.9.9.9', port: 15_008, expected: true },
  { ip: '::1', port: 15_001, expected: true },
  { ip: '127.0.0.1', port: 15_080, expected: true },
  { ip: '127.0.0.1', port: 80, expected: false },
  { ip: '10.0.0.1', port: 15_001, expected: false },
])('isSelfCall() of $ip:$port is $expected', ({ ip, port, expected }) =>
  expect(isSelfCall({ ip, port }, illegalPorts({ socks5: true }))).toBe(expected),
)
