import { expect, test } from 'vitest'
import { fillIn, readTemplates } from './proxy-pair.ts'

test('fillIn() puts values in and knows no others', () => {
  expect(fillIn('a @ONE@ b @TWO@ @ONE@', { ONE: '1', TWO: '2' })).toBe('a 1 b 2 1')
  expect(() => fillIn('@THREE@', { ONE: '1' })).toThrow('asks for "THREE"')
})

test.each([...readTemplates()])(
  '%s asks for mutual TLS 1.3 and no more than the bench knows',
  (name, text) => {
    const filled = fillIn(text, { FOLDER: '/folder', SERVER_IP: '10.0.0.1' })
    expect(filled).toMatch(/TLSv1[._]3/)
    expect(filled).toContain(`/folder/${name.includes('client') ? 'client' : 'server'}.`)
    expect(filled).toMatch(/verify on|verify required|ssl_verify_client on|trusted_ca/)
  },
)
