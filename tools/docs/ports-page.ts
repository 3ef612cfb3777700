import { illegalPorts, ports } from '@ambient/telemetry'
import { markdownTable } from './markdown-table.ts'

export function portsPage(): string {
  const rows = Object.values(ports).map((row) => [
    row.component,
    `${row.port}`,
    row.protocol,
    row.where,
    row.bind,
    row.purpose,
  ])
  return `# Ports

Every socket that a part of the mesh listens on.

${markdownTable(['component', 'port', 'protocol', 'where', 'bind', 'purpose'], rows)}
A tunnel that asks for port ${[...illegalPorts({ socks5: false })].join(', ')} of a pod is refused: the mesh itself listens there. So is ${ports.socks5.port} where there is SOCKS5.
`
}
