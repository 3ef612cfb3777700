export interface Counted {
  readonly passed: number
  readonly failed: number
  /** Left out because the run allowed it; else a skipped test is a failed one. */
  readonly skipped: number
  readonly reasons: readonly string[]
}

export interface CountOptions {
  readonly exitCode: number
  readonly allowSkip: boolean
}

/**
 * Counts a Vitest JSON report so that nothing hides: whatever is not passed is failed, a file that could not be loaded
 * is failed, a project without a test is failed, and an exit code that the counts do not explain is failed.
 */
export function countResults(report: string, { exitCode, allowSkip }: CountOptions): Counted {
  const files = listOf(JSON.parse(report), 'testResults')
  let passed = 0
  let skipped = 0
  const reasons: string[] = []
  for (const file of files) {
    const tests = listOf(file, 'assertionResults')
    for (const test of tests) {
      const status = textOf(test, 'status')
      if (status === 'passed') passed++
      else if (allowSkip && isSkip(status)) skipped++
      else reasons.push(`${status}: ${textOf(test, 'fullName')}`)
    }
    if (tests.length === 0) reasons.push(`no test ran in ${textOf(file, 'name')}: ${textOf(file, 'message')}`)
  }
  if (files.length === 0) reasons.push('there are no tests')
  if (exitCode !== 0 && reasons.length === 0)
    reasons.push(`the test run ended with ${exitCode} though every test passed`)
  return { passed, failed: reasons.length, skipped, reasons }
}

function isSkip(status: string): boolean {
  return status === 'skipped' || status === 'pending'
}

function listOf(value: unknown, name: string): readonly unknown[] {
  const field = fieldOf(value, name)
  return Array.isArray(field) ? field : []
}

function textOf(value: unknown, name: string): string {
  const field = fieldOf(value, name)
  return typeof field === 'string' ? field : ''
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined
}
