import { CLASS_IN, decodeMessage, responseCodes } from '@ambient/dns'
import { expect, test } from 'vitest'
import { dnsQuery } from '../../test/dns-query.ts'
import { answerQuery, answerRoom, refuseQuery, truncatedAnswer } from './answer-query.ts'

const query = dnsQuery('Web.NS1', {
  id: 77,
  authenticData: true,
  checkingDisabled: true,
  edns: { payloadBytes: 100, version: 0, isDnssecOk: true },
})

test('answerQuery() repeats id, question, RD and EDNS, and says that it has authority and can recurse', () => {
  const bytes = answerQuery(query, { addresses: ['10.0.0.1'], alias: undefined }, 512)
  expect(decodeMessage(bytes)).toEqual({
    ...query,
    isResponse: true,
    isAuthoritative: true,
    recursionAvailable: true,
    authenticData: false,
    edns: { payloadBytes: 512, version: 0, isDnssecOk: true },
    answers: [
      { name: 'Web.NS1', class: CLASS_IN, ttlSeconds: 30, data: { kind: 'address', ip: '10.0.0.1' } },
    ],
  })
})

test('answerQuery() puts an alias before the addresses, which are the alias’s', () => {
  const bytes = answerQuery(query, { addresses: ['10.0.0.1'], alias: 'web' }, 512)
  expect(decodeMessage(bytes).answers).toMatchObject([
    { name: 'Web.NS1', ttlSeconds: 30, data: { kind: 'cname', target: 'web' } },
    { name: 'web', ttlSeconds: 30, data: { kind: 'address', ip: '10.0.0.1' } },
  ])
})

test('answerQuery() of a name without addresses is no error', () => {
  const { responseCode, answers } = decodeMessage(
    answerQuery(query, { addresses: [], alias: undefined }, 512),
  )
  expect([responseCode, answers]).toEqual([responseCodes.noError, []])
})

test('answerQuery() gives as many of 1,000 endpoints as fit, and marks it as truncated', () => {
  const addresses = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
  const cut = answerQuery(query, { addresses, alias: undefined }, 512)
  expect(cut.length).toBeLessThanOrEqual(512)
  expect(decodeMessage(cut)).toMatchObject({ isTruncated: true })
  const whole = decodeMessage(answerQuery(query, { addresses, alias: undefined }, answerRoom(query, 'tcp')))
  expect([whole.isTruncated, whole.answers.length]).toEqual([false, 1000])
})

test('refuseQuery() gives the code and nothing else, an extended one with EDNS', () => {
  expect(decodeMessage(refuseQuery(query, responseCodes.badVersion))).toMatchObject({
    id: 77,
    isResponse: true,
    isAuthoritative: false,
    responseCode: responseCodes.badVersion,
    questions: query.questions,
    answers: [],
  })
})

test('refuseQuery() needs no more than a header', () => {
  const { questions: _questions, edns: _edns, ...header } = query
  expect(decodeMessage(refuseQuery(header, responseCodes.formatError))).toMatchObject({
    id: 77,
    responseCode: responseCodes.formatError,
    questions: [],
    edns: undefined,
  })
})

test('truncatedAnswer() keeps the code of the whole one', () => {
  expect(decodeMessage(truncatedAnswer(query, responseCodes.noError))).toMatchObject({
    isTruncated: true,
    answers: [],
  })
})

test.each([
  { edns: undefined, transport: 'udp' as const, expected: 512 },
  { edns: { payloadBytes: 100, version: 0, isDnssecOk: false }, transport: 'udp' as const, expected: 512 },
  { edns: { payloadBytes: 1232, version: 0, isDnssecOk: false }, transport: 'udp' as const, expected: 1232 },
  {
    edns: { payloadBytes: 65_535, version: 0, isDnssecOk: false },
    transport: 'udp' as const,
    expected: 65_507,
  },
  { edns: undefined, transport: 'tcp' as const, expected: 65_535 },
])('answerRoom() over $transport with $edns is $expected', ({ edns, transport, expected }) => {
  expect(answerRoom({ edns }, transport)).toBe(expected)
})
