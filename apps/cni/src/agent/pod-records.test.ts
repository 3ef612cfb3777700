import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type PodRecord, PodRecords } from './pod-records.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cni-records-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const record: PodRecord = {
  uid: 'a/../b',
  backends: ['iptables-legacy', 'nftables'],
  containerId: 'c1',
  kept: { count: 2, names: ['x -> y'] },
  before: { loose: '1' },
}

test('PodRecords outlive the process, whatever a UID looks like', () => {
  new PodRecords(directory).save(record)
  const again = new PodRecords(directory)
  expect(again.get('a/../b')).toEqual(record)
  again.delete('a/../b')
  expect(readdirSync(directory)).toEqual([])
  expect(new PodRecords(directory).uids()).toEqual([])
})

test('PodRecords know no backend that there is none of', () => {
  writeFileSync(join(directory, 'u1.json'), '{"uid":"u1","backends":["ebpf","nftables",1]}')
  expect(new PodRecords(directory).get('u1')?.backends).toEqual(['nftables'])
})

test.each(['', '{', '[]', '{"uid":1}'])('PodRecords take a file that holds %j for none', (text) => {
  writeFileSync(join(directory, 'u1.json'), text)
  writeFileSync(join(directory, 'u2.json.new'), JSON.stringify(record))
  expect(new PodRecords(directory).uids()).toEqual([])
})
