import { leakedDescriptors, openDescriptors } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { Arena, NULL } from './arena.ts'
import { closeDescriptor, duplicateDescriptor, openFile } from './descriptor.ts'
import { eventfd, takeWake, wake } from './eventfd.ts'
import { fileLimit, raiseFileLimit, setFileLimit } from './file-limit.ts'
import { makePipe } from './pipe.ts'
import { SPLICE_NONBLOCK, sys } from './syscalls.ts'

test('openFile() and duplicateDescriptor() give close-on-exec descriptors that closeDescriptor() ends', () => {
  const before = openDescriptors()
  const fd = openFile('/proc/self/ns/net')
  const copy = duplicateDescriptor(fd)
  expect([sys.fcntl(fd, 1, 0), sys.fcntl(copy, 1, 0)]).toEqual([1, 1])
  expect(openDescriptors().get(copy)).toBe(openDescriptors().get(fd))
  closeDescriptor(fd)
  closeDescriptor(copy)
  expect(leakedDescriptors(before)).toEqual([])
  expect(() => openFile('/none/of/this')).toThrow('open /none/of/this: ENOENT')
  expect(() => duplicateDescriptor(1_000_000)).toThrow('EBADF')
})

test('wake() makes an eventfd readable until takeWake(), however often it is called', () => {
  const fd = eventfd()
  expect(takeWake(fd)).toBe(false)
  wake(fd)
  wake(fd)
  expect([takeWake(fd), takeWake(fd)]).toEqual([true, false])
  closeDescriptor(fd)
})

test('makePipe() carries bytes from one pipe to another by splice', () => {
  const [first, second] = [makePipe(1 << 20), makePipe(1 << 16)]
  expect(sys.fcntl(first.writeEnd, 1032, 0)).toBeGreaterThanOrEqual(1 << 16)
  const arena = new Arena(8)
  arena.bytes.set([1, 2, 3])
  expect(sys.write(first.writeEnd, arena.base, 3)).toBe(3)
  expect(sys.splice(first.readEnd, NULL, second.writeEnd, NULL, 100, SPLICE_NONBLOCK)).toBe(3)
  arena.bytes.fill(0)
  expect(sys.read(second.readEnd, arena.base, 8)).toBe(3)
  expect([...arena.bytes.subarray(0, 3)]).toEqual([1, 2, 3])
  for (const fd of [first.readEnd, first.writeEnd, second.readEnd, second.writeEnd]) closeDescriptor(fd)
})

test('raiseFileLimit() lifts the soft limit to the hard one', () => {
  const { hard, soft } = fileLimit()
  setFileLimit(Math.min(soft, 512))
  expect(fileLimit().soft).toBe(Math.min(soft, 512))
  expect(raiseFileLimit()).toEqual({ soft: hard, hard })
})
