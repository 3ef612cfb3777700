import { expect, test } from 'vitest'
import { Backoff, CodedError, deadline, Scope, systemClock, systemRandom } from './index.ts'

class FetchError extends CodedError<'UNREACHABLE'> {}

test('the README’s example runs', async () => {
  let attempts = 0
  const fetchOnce = async (signal: AbortSignal): Promise<string> => {
    signal.throwIfAborted()
    if (++attempts < 3) throw new FetchError('UNREACHABLE', 'Cannot reach the server')
    return 'answer'
  }

  async function fetchUntilAnswered(parent: AbortSignal): Promise<string> {
    const backoff = new Backoff({ firstMs: 1, factor: 2, maxMs: 100, jitter: 0.2 }, systemRandom)
    for (;;) {
      using limit = deadline(parent, 1000)
      try {
        return await fetchOnce(limit.signal)
      } catch (error) {
        if (!(error instanceof FetchError) || error.code !== 'UNREACHABLE') throw error
        await systemClock.sleep(backoff.nextMs(), parent)
      }
    }
  }

  await using scope = new Scope()
  expect(await fetchUntilAnswered(scope.signal)).toBe('answer')
  expect(attempts).toBe(3)
})

test('systemRandom gives as many bytes as asked for, and numbers below 1', () => {
  expect(systemRandom.bytes(16)).toHaveLength(16)
  expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16))
  expect(systemRandom.float()).toBeLessThan(1)
})

test('CodedError carries its code, its subclass’s name and its cause', () => {
  const cause = new Error('socket')
  expect(new FetchError('UNREACHABLE', 'Cannot reach', { cause })).toMatchObject({
    name: 'FetchError',
    code: 'UNREACHABLE',
    cause,
  })
})
