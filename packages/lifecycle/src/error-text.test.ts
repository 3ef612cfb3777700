import { expect, test } from 'vitest'
import { errorText } from './error-text.ts'

test.each([
  { thrown: new TypeError('no such thing'), text: 'no such thing' },
  { thrown: 'a string', text: 'a string' },
  { thrown: undefined, text: 'undefined' },
])('errorText() of $thrown is $text', ({ thrown, text }) => {
  expect(errorText(thrown)).toBe(text)
})
