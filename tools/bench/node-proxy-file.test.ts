import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseNodeProxy, readNodeProxyFile } from './node-proxy-file.ts'

test('parseNodeProxy() reads a command and its environment', () => {
  const text = '{"name":"theirs","command":["/bin/ztunnel","-v"],"env":{"RUST_LOG":"info"}}'
  expect(parseNodeProxy(text)).toEqual({
    name: 'theirs',
    command: ['/bin/ztunnel', '-v'],
    env: { RUST_LOG: 'info' },
  })
  expect(parseNodeProxy('{"name":"theirs","command":["ztunnel"]}').env).toEqual({})
})

test.each([
  { text: '[]', says: 'it is no object' },
  { text: '{"name":"Theirs","command":["x"]}', says: '"name" must be' },
  { text: '{"name":"theirs"}', says: '"command" must be' },
  { text: '{"name":"theirs","command":"x"}', says: '"command" must be' },
  { text: '{"name":"theirs","command":["x"],"env":{"A":1}}', says: '"env.A" must be a text' },
  { text: '{"name":"theirs","command":["x"],"args":[]}', says: 'there is no field "args"' },
])('parseNodeProxy() refuses $text', ({ text, says }) => expect(() => parseNodeProxy(text)).toThrow(says))

test('readNodeProxyFile() names the file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambient-node-proxy-'))
  writeFileSync(join(folder, 'a.json'), '{')
  expect(() => readNodeProxyFile(join(folder, 'a.json'))).toThrow(/^Cannot read node proxy .*a\.json: .*JSON/)
  expect(() => readNodeProxyFile(join(folder, 'b.json'))).toThrow(/b\.json: ENOENT/)
  rmSync(folder, { recursive: true })
})
