import { expect, test } from 'vitest'
import { CLASS_IN, recordTypes, responseCodes } from './constants.ts'
import type { DnsHead } from './decode-message.ts'
import { isAnswerTo, withMessageId } from './relay-message.ts'

const question = { name: 'web.shop', type: recordTypes.A, class: CLASS_IN }
const answer: DnsHead = {
  id: 7,
  isResponse: true,
  opcode: 0,
  isAuthoritative: false,
  isTruncated: false,
  recursionDesired: true,
  recursionAvailable: true,
  authenticData: false,
  checkingDisabled: false,
  responseCode: responseCodes.noError,
  questions: [question],
  answerCount: 1,
}

test.each([
  { name: 'the question as asked', change: {}, expected: true },
  {
    name: 'its letters in another case',
    change: { questions: [{ ...question, name: 'WEB.shop' }] },
    expected: true,
  },
  { name: 'another id', change: { id: 8 }, expected: false },
  { name: 'a query', change: { isResponse: false }, expected: false },
  { name: 'another name', change: { questions: [{ ...question, name: 'web.shop2' }] }, expected: false },
  {
    name: 'another type',
    change: { questions: [{ ...question, type: recordTypes.AAAA }] },
    expected: false,
  },
  { name: 'another class', change: { questions: [{ ...question, class: 3 }] }, expected: false },
  { name: 'two questions', change: { questions: [question, question] }, expected: false },
  { name: 'no question', change: { questions: [] }, expected: false },
  {
    name: 'no question, and that the server failed',
    change: { questions: [], responseCode: responseCodes.serverFailure },
    expected: true,
  },
  {
    name: 'no question, and that there is no such name',
    change: { questions: [], responseCode: responseCodes.nameError },
    expected: false,
  },
])('isAnswerTo() of $name is $expected', ({ change, expected }) => {
  expect(isAnswerTo({ ...answer, ...change }, 7, question)).toBe(expected)
})

test('withMessageId() changes two bytes of a copy', () => {
  const message = Uint8Array.of(1, 2, 3, 4)
  expect(withMessageId(message, 0xabcd)).toEqual(Uint8Array.of(0xab, 0xcd, 3, 4))
  expect(message).toEqual(Uint8Array.of(1, 2, 3, 4))
})
