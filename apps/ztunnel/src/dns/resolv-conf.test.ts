import { expect, test } from 'vitest'
import { nameserversOf } from './resolv-conf.ts'

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
  { name: 'an empty file', text: '', expected: [] },
])('nameserversOf() reads $name', ({ text, expected }) => {
  expect(nameserversOf(text)).toEqual(expected.map((ip) => ({ ip, port: 53 })))
})
