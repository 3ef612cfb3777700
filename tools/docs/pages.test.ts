import { spawnSync } from 'node:child_process'
import { appendFileSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reasons } from '@ambient/telemetry'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { markdownTable } from './markdown-table.ts'
import { makePages, stalePages, writePages } from './pages.ts'

let folder = ''
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ambient-docs-'))
  await writePages(folder)
})
afterEach(() => rmSync(folder, { recursive: true }))

test('stalePages() finds nothing right after writePages()', async () => {
  expect(await stalePages(folder)).toEqual([])
})

test('stalePages() names each page that was changed or removed', async () => {
  appendFileSync(join(folder, 'ports.md'), 'by hand\n')
  rmSync(join(folder, 'limits.md'))
  expect(await stalePages(folder)).toEqual(['ports.md', 'limits.md'])
})

test('main.ts --check fails and leaves the file alone when a page was changed', () => {
  const path = join(folder, 'troubleshooting.md')
  appendFileSync(path, 'by hand\n')
  const changed = readFileSync(path, 'utf8')
  const { status, stderr } = check()
  expect(status).toBe(1)
  expect(stderr).toContain('docs/troubleshooting.md is not what the source says')
  expect(readFileSync(path, 'utf8')).toBe(changed)
})

test('main.ts --check passes when every page is current', () => {
  expect(check()).toMatchObject({ status: 0, stderr: '' })
})

test('makePages() shows a port, a metric with its labels, a reason and a limit of several packages and apps', async () => {
  const pages = await makePages()
  expect(pages.get('ports.md')).toContain('| ztunnel | 15008 | TCP | every enrolled pod |')
  expect(pages.get('metrics.md')).toMatch(
    /`istio_tcp_connections_opened_total` \| counter \| .* \| traffic \|/,
  )
  expect(pages.get('troubleshooting.md')).toMatch(/## SELF_CALL\n/)
  expect(pages.get('limits.md')).toMatch(/`maxFrameBytes` \| [\d,]+ \| bytes \|/)
  expect(pages.get('limits.md')).toMatch(/`queuedLogLines` \| 10,000 \| lines \|/)
  expect(pages.get('limits.md')).toContain('## ztunnel: svid')
})

test('docs/troubleshooting.md has every reason: what it means, how to see it, what to do', async () => {
  const page = (await makePages()).get('troubleshooting.md') ?? ''
  const sections = new Map(page.split(/^## /m).map((text) => [text.split('\n')[0], text]))
  for (const [code, { meaning, action }] of Object.entries(reasons)) {
    const section = sections.get(code) ?? ''
    expect(section).toContain(meaning)
    expect(section).toMatch(/^- See it: .{20,}$/m)
    expect(section).toContain(`- Do: ${action}`)
  }
})

test('every reason is given by something: nobody looks for what never happens', () => {
  const root = join(import.meta.dirname, '..', '..')
  const given = new Set<string>()
  for (const path of globSync('{apps,packages}/*/src/**/*.ts', { cwd: root })) {
    if (path.includes('/reasons/') || path.endsWith('.test.ts')) continue
    for (const [code] of readFileSync(join(root, path), 'utf8').matchAll(/\b[A-Z][A-Z0-9_]+\b/g))
      given.add(code)
  }
  expect(Object.keys(reasons).filter((code) => !given.has(code))).toEqual([])
})

test('markdownTable() keeps a bar and a line end inside their cell', () => {
  expect(markdownTable(['a'], [['x | y\n  z']])).toBe('| a |\n| --- |\n| x \\| y z |\n')
})

function check(): { readonly status: number | null; readonly stderr: string } {
  const main = join(import.meta.dirname, 'main.ts')
  const args = [
    '--disable-warning=ExperimentalWarning',
    '--conditions=@ambient/source',
    main,
    '--check',
    '--into',
    folder,
  ]
  return spawnSync(process.execPath, args, { encoding: 'utf8' })
}
