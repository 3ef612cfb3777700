import { describe, expect, test } from 'vitest'
import { FloodBudget } from './flood-budget.ts'
import { hboneLimits } from './limits.ts'

const limits = hboneLimits({ floodBurst: 10, floodPerSecond: 2 })

describe('FloodBudget', () => {
  test('spend() allows the burst and then what time refills', () => {
    const budget = new FloodBudget(limits, 0)
    for (let i = 0; i < 10; i++) expect(budget.spend(0)).toBe(true)
    expect(budget.spend(0)).toBe(false)
    expect(budget.spend(1000)).toBe(true)
  })

  test('spend() saves up no more than the burst', () => {
    const budget = new FloodBudget(limits, 0)
    for (let i = 0; i < 10; i++) expect(budget.spend(1e9)).toBe(true)
    expect(budget.spend(1e9)).toBe(false)
  })

  test('spendUpdate() is free as far as DATA has earned it', () => {
    const budget = new FloodBudget(limits, 0)
    budget.earnUpdates(51_200)
    for (let i = 0; i < 4 + 4 + 100 + 10; i++) expect(budget.spendUpdate(0)).toBe(true)
    expect(budget.spendUpdate(0)).toBe(false)
  })
})
