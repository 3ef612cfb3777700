import { describe, expect, test } from 'vitest'
import { connectFields, parseRequest, parseStatus } from './connect-message.ts'
import type { HeaderField } from './header-field.ts'

const fields = (...pairs: [string, string][]): HeaderField[] =>
  pairs.map(([name, value]) => ({ name, value }))
const connect = connectFields('10.0.0.1:80')

describe('parseRequest()', () => {
  test('takes a CONNECT with an authority and any fields', () => {
    const all = connectFields('10.0.0.1:80', fields(['baggage', 'a=b'], ['te', 'trailers']))
    expect(parseRequest(all)).toEqual({
      kind: 'connect',
      request: {
        authority: '10.0.0.1:80',
        destination: { kind: 'address', ip: '10.0.0.1', port: 80 },
        fields: all,
      },
    })
  })

  test.each([
    {
      name: 'another method',
      request: fields([':method', 'GET'], [':scheme', 'http'], [':path', '/']),
      because: 'method',
      reason: 'expected method CONNECT, got GET',
    },
    {
      name: 'no authority',
      request: fields([':method', 'CONNECT']),
      because: 'authority',
      reason: 'no valid authority pseudo header: ""',
    },
    {
      name: 'an authority without port',
      request: connectFields('web'),
      because: 'authority',
      reason: 'no valid authority pseudo header: "web"',
    },
  ])('refuses $name with 400', ({ request, because, reason }) => {
    expect(parseRequest(request)).toEqual({ kind: 'refused', status: 400, because, reason })
  })

  test.each([
    { name: 'no method', request: fields([':authority', 'a:1']) },
    { name: 'a path with CONNECT', request: [...connect, ...fields([':path', '/'])] },
    { name: 'a scheme with CONNECT', request: [...connect, ...fields([':scheme', 'https'])] },
    { name: 'extended CONNECT', request: [...connect, ...fields([':protocol', 'websocket'])] },
    { name: 'a pseudo field twice', request: [...connect, ...fields([':authority', 'a:1'])] },
    { name: 'a pseudo field after a regular one', request: [...fields(['a', 'b']), ...connect] },
    { name: 'an upper-case name', request: [...connect, ...fields(['Baggage', 'a'])] },
    { name: 'an empty name', request: [...connect, ...fields(['', 'a'])] },
    { name: 'a name with a space', request: [...connect, ...fields(['a b', 'c'])] },
    { name: 'a line break in a value', request: [...connect, ...fields(['a', 'b\r\nc'])] },
    { name: 'a value that begins with a space', request: [...connect, ...fields(['a', ' b'])] },
    { name: 'a connection field', request: [...connect, ...fields(['connection', 'close'])] },
    { name: 'te other than trailers', request: [...connect, ...fields(['te', 'gzip'])] },
    { name: 'GET without path', request: fields([':method', 'GET'], [':scheme', 'http']) },
  ])('calls $name malformed', ({ request }) => {
    expect(parseRequest(request)).toEqual({ kind: 'malformed' })
  })
})

describe('parseStatus()', () => {
  test.each([
    { answer: fields([':status', '200']), expected: 200 },
    { answer: fields([':status', '099']), expected: undefined },
    { answer: fields([':status', '2000']), expected: undefined },
    { answer: fields(['x', 'y'], [':status', '200']), expected: undefined },
    { answer: [], expected: undefined },
  ])('reads $expected', ({ answer, expected }) => {
    expect(parseStatus(answer)).toBe(expected)
  })
})
