import { expect, test } from 'vitest'
import { check, Errno, errno, errnoName, SyscallError } from './errno.ts'
import { sys } from './syscalls.ts'

test('errno() is the code of the last failed call', () => {
  expect(sys.close(1_000_000)).toBe(-1)
  expect(errno()).toBe(Errno.EBADF)
})

test('check() throws the call and its code, and hands a good result through', () => {
  expect(check(3, 'open')).toBe(3)
  const failing = (): number => check(sys.close(1_000_000), 'close')
  expect(failing).toThrow(SyscallError)
  expect(failing).toThrow('close: EBADF')
})

test('SyscallError has errno and its name, as a system error of Node has', () => {
  expect(new SyscallError('bind', Errno.EADDRINUSE)).toMatchObject({ errno: 98, code: 'EADDRINUSE' })
})

test('errnoName() names a code that it does not know by its number', () => {
  expect(errnoName(4242)).toBe('errno 4242')
})
