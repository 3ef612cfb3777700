import { type ReasonComponent, reasons } from '@ambient/telemetry'

/** Whatever the mesh refuses or ends, by the code that its log line carries: what it means, how to see it, what to do. */
export function troubleshootingPage(): string {
  const sections = Object.entries(reasons).map(
    ([code, { flag, meaning, action, component }]) => `## ${code}

${meaning}

- See it: ${component === undefined ? seenOfConnection(code, flag) : seenOfComponent(code, component)}
- Do: ${action}
`,
  )
  return `# Troubleshooting

Whenever the mesh refuses or ends something, the log line carries a code, \`reason=…\`. Look it up here.

Of connections, three places say the same: the access log of the node's ztunnel (scope \`access\`), the metrics of its port 15020
(\`response_flags\` of the standard ones; those refused before they were set up are counted by reason), and \`refusals\` of
\`GET /config_dump\` on its port 15000, which has the last of them with both addresses and, where there is one, the policy.

${sections.join('\n')}`
}

function seenOfConnection(code: string, flag: string): string {
  return [
    `\`reason="${code}"\` in ztunnel’s access log and in \`refusals\` of its configuration dump`,
    `\`istio_tcp_connections_failed_total{response_flags="${flag}"}\` or \`ambient_connections_refused_total{reason="${code}"}\``,
  ].join('; ')
}

function seenOfComponent(code: string, component: ReasonComponent): string {
  const field = `\`reason="${code}"\``
  switch (component) {
    case 'all':
      return `${code} on the standard error of whoever ends with it.`
    case 'the plugin':
      return 'in the events of the pod and in the container runtime’s log, in the answer of the CNI plugin.'
    case 'the DNS proxy':
      return `${field} in ztunnel’s log, scope \`dns\` at level debug; \`ambient_dns_refused_total{reason="${code}"}\``
    case 'istiod':
      return `${field} in istiod’s log; of an object also in its status or its events.`
    default:
      return `${field} in the log of ${component}.`
  }
}
