import { CA_LIMITS } from '@ambient/ca'
import { CA_CLIENT_LIMITS } from '@ambient/ca-client'
import { GRPC_LIMITS } from '@ambient/grpc'
import { HBONE_LIMITS } from '@ambient/hbone'
import { KUBE_LIMITS } from '@ambient/kube'
import { LOG_LIMITS, type LimitTable, METRICS_LIMITS } from '@ambient/telemetry'
import { XDS_LIMITS } from '@ambient/xds'
import { HANDOVER_LIMITS, ZDS_LIMITS } from '@ambient/zds'
import { markdownTable } from './markdown-table.ts'

const tables: Readonly<Record<string, LimitTable>> = {
  'HBONE sessions and tunnels': HBONE_LIMITS,
  'Mesh state from istiod (xDS)': XDS_LIMITS,
  'Certificates (CA)': CA_LIMITS,
  'Requests for certificates': CA_CLIENT_LIMITS,
  'The control plane’s gRPC server': GRPC_LIMITS,
  'Hand-over of pods (ZDS)': ZDS_LIMITS,
  'Hand-over of sockets between ztunnels': HANDOVER_LIMITS,
  Logs: LOG_LIMITS,
  Metrics: METRICS_LIMITS,
  'Resources in files': KUBE_LIMITS,
}

/** @param ofApps Tables that no import can reach, by title. */
export function limitsPage(ofApps: Readonly<Record<string, LimitTable>>): string {
  const parts = Object.entries({ ...tables, ...ofApps }).map(
    ([title, table]) =>
      `## ${title}\n\n${markdownTable(['limit', 'value', 'unit', 'when it is hit'], rowsOf(table))}`,
  )
  return `# Limits

The bounds that packages and apps declare as tables, with what happens to the one that does not fit.

${parts.join('\n')}`
}

function rowsOf(table: LimitTable): readonly (readonly string[])[] {
  return Object.entries(table).map(([name, row]) => [
    `\`${name}\``,
    row.value.toLocaleString('en-US'),
    row.unit,
    row.whenHit,
  ])
}
