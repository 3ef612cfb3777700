import { describe, expect, test } from 'vitest'
import { systemRandom } from '@ambient/lifecycle'
import { buildTraceparent, parseTraceparent } from './traceparent.ts'

const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('parseTraceparent()', () => {
  test('reads what buildTraceparent() made', () => {
    const text = buildTraceparent(systemRandom)
    expect(text).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(parseTraceparent(text)).toEqual({ traceId: text.slice(3, 35), spanId: text.slice(36, 52) })
    expect(buildTraceparent(systemRandom)).not.toBe(text)
  })

  test('reads the example of the specification', () => {
    expect(parseTraceparent(valid)).toEqual({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
    })
  })

  test.each([
    '',
    'x'.repeat(55),
    `${'0'.repeat(27)}-${'0'.repeat(27)}`,
    valid.toUpperCase(),
    valid.replace('00-', 'ff-'),
    `${valid}-more`,
    valid.slice(0, -1),
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
  ])('refuses "%s"', (text) => {
    expect(parseTraceparent(text)).toBeUndefined()
  })

  test('reads a later version with more parts', () => {
    expect(parseTraceparent(`${valid.replace('00-', '01-')}-more`)).toBeDefined()
  })
})
