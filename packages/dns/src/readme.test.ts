import { expect, test } from 'vitest'
import { CLASS_IN, decodeMessage, encodeMessage, MIN_PAYLOAD_BYTES } from './index.ts'

test('the README’s example runs', () => {
  const datagram = Buffer.from('12340100000100000000000001610262630000010001', 'hex')

  const query = decodeMessage(datagram)
  const answer = encodeMessage(
    {
      ...query,
      isResponse: true,
      answers: query.questions.map(({ name }) => ({
        name,
        class: CLASS_IN,
        ttlSeconds: 30,
        data: { kind: 'address', ip: '10.96.0.80' },
      })),
    },
    query.edns?.payloadBytes ?? MIN_PAYLOAD_BYTES, // what does not fit is left out, and the answer marked as truncated
  )

  expect(Buffer.from(answer).toString('hex')).toBe(
    '12348100000100010000000001610262630000010001c00c000100010000001e00040a600050',
  )
})
