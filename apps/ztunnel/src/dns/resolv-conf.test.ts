import { expect, test } from 'vitest'
import { nameserversOf, searchDomainsOf } from './resolv-conf.ts'

test.each([
  {
    name: 'one a pod has',
    text: 'search a.svc b\nnameserver 10.96.0.10\noptions ndots:5\n',
    expected: ['10.96.0.10'],
  },
  {
    name: 'both families in their order',
    text: 'nameserver fd00::a\nnameserver 10.0.0.2',
    expected: ['fd00::a', '10.0.0.2'],
  },
  {
    name: 'no more than three',
    text: [1, 2, 3, 4].map((i) => `nameserver 10.0.0.${i}`).join('\n'),
    expected: ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
  },
  {
    name: 'nothing of comments, of names and of zones',
    text: '# nameserver 10.0.0.1\n;nameserver 10.0.0.2\nnameserver dns.example\nnameserver fe80::1%eth0\nnameservers 10.0.0.3\nnameserver',
    expected: [],
  },
  { name: 'blanks around it', text: '  nameserver \t 10.0.0.1  # first\r\n', expected: ['10.0.0.1'] },
  {
    name: 'no stub of the node itself',
    text: 'nameserver 127.0.0.53\nnameserver ::1\nnameserver 10.0.0.2',
    expected: ['10.0.0.2'],
  },
  { name: 'an empty file', text: '', expected: [] },
])('nameserversOf() reads $name', ({ text, expected }) => {
  expect(nameserversOf(text)).toEqual(expected.map((ip) => ({ ip, port: 53 })))
})

test.each([
  {
    name: 'a list',
    text: 'nameserver 10.0.0.1\nsearch shop.svc.a Svc.B.\n',
    expected: ['shop.svc.a', 'svc.b'],
  },
  { name: 'the last list', text: 'search a\nsearch b c\n', expected: ['b', 'c'] },
  { name: 'a domain', text: 'domain example.com', expected: ['example.com'] },
  { name: 'nothing of a root and of comments', text: '# search a\nsearch .', expected: [] },
  { name: 'an empty file', text: '', expected: [] },
])('searchDomainsOf() reads $name', ({ text, expected }) => {
  expect(searchDomainsOf(text)).toEqual(expected)
})
