import { reasons } from '@ambient/telemetry'
import { markdownTable } from './markdown-table.ts'

export function reasonsPage(): string {
  const rows = Object.entries(reasons).map(([code, row]) => [
    `\`${code}\``,
    `\`${row.flag}\``,
    row.meaning,
    row.action,
  ])
  return `# Reasons

Whenever the mesh refuses or ends something, the log line carries one of these codes. The flag is what \`response_flags\` of the
standard metrics says.

${markdownTable(['code', 'flag', 'what happened', 'what to do'], rows)}`
}
