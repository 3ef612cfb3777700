import { CLASS_IN, recordTypes, responseCodes } from '@ambient/dns'
import { expect, test } from 'vitest'
import { dnsQuery } from '../../test/dns-query.ts'
import { checkQuery } from './check-query.ts'

const [question] = dnsQuery('web').questions

test('checkQuery() finds the one question, EDNS or not', () => {
  expect(checkQuery(dnsQuery('web'))).toEqual({ kind: 'ask', question })
  const edns = { payloadBytes: 1232, version: 0, isDnssecOk: true }
  expect(checkQuery(dnsQuery('web', { edns }))).toEqual({ kind: 'ask', question })
})

test.each([
  {
    what: 'a response',
    over: { isResponse: true },
    expected: 'DNS_QUERY_INVALID',
    code: responseCodes.formatError,
  },
  {
    what: 'no question',
    over: { questions: [] },
    expected: 'DNS_QUERY_INVALID',
    code: responseCodes.formatError,
  },
  {
    what: 'two questions',
    over: { questions: ['web', 'six'].flatMap((name) => dnsQuery(name).questions) },
    expected: 'DNS_QUERY_INVALID',
    code: responseCodes.formatError,
  },
  {
    what: 'an update',
    over: { opcode: 5 },
    expected: 'DNS_QUERY_UNSUPPORTED',
    code: responseCodes.notImplemented,
  },
  {
    what: 'a notification',
    over: { opcode: 4 },
    expected: 'DNS_QUERY_UNSUPPORTED',
    code: responseCodes.notImplemented,
  },
  {
    what: 'a zone transfer',
    over: { questions: [{ name: 'cluster.local', type: recordTypes.AXFR, class: CLASS_IN }] },
    expected: 'DNS_QUERY_UNSUPPORTED',
    code: responseCodes.notImplemented,
  },
  {
    what: 'a later EDNS version',
    over: { edns: { payloadBytes: 512, version: 1, isDnssecOk: false } },
    expected: 'DNS_QUERY_UNSUPPORTED',
    code: responseCodes.badVersion,
  },
])('checkQuery() refuses $what with $expected', ({ over, expected, code }) => {
  expect(checkQuery(dnsQuery('web', over))).toMatchObject({
    kind: 'refuse',
    reason: expected,
    responseCode: code,
  })
})
