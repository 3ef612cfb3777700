import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { EventLoopBlock } from './event-loop-block.ts'

test('takeMs() tells of the longest block since it was last asked', async () => {
  using block = new EventLoopBlock()
  expect(block.takeMs()).toBe(0)
  await sleep(15) // its own timer has come round, in the same loop
  const startMs = performance.now()
  while (performance.now() - startMs < 200);
  await sleep(15)
  expect(block.takeMs()).toBeGreaterThan(150)
})
