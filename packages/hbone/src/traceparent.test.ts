import { describe, expect, test } from 'vitest'
import { systemRandom } from '@ambient/lifecycle'
import { formatTraceParent, newTraceParent, parseTraceParent } from './traceparent.ts'

const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('parseTraceParent()', () => {
  test('gives back what formatTraceParent() made of a fresh one', () => {
    const trace = newTraceParent(systemRandom)
    expect(formatTraceParent(trace)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(parseTraceParent(formatTraceParent(trace))).toEqual(trace)
  })

  test('reads the example of the specification', () => {
    expect(parseTraceParent(valid)).toEqual({ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' })
  })

  test.each([
    '', 'x'.repeat(55), `${'0'.repeat(27)}-${'0'.repeat(27)}`, valid.toUpperCase(), valid.replace('00-', 'ff-'), `${valid}-more`, valid.slice(0, -1),
    '00-00000000000000000000000000000000-b7ad6b7169203331-01', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
  ])('refuses "%s"', (text) => {
    expect(parseTraceParent(text)).toBeUndefined()
  })

  test('reads a later version with more parts', () => {
    expect(parseTraceParent(`${valid.replace('00-', '01-')}-more`)).toBeDefined()
  })
})
