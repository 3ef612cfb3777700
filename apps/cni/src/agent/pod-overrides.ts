import type { RedirectSettings } from '../redirect/redirect-backend.ts'

export interface PodSettings {
  readonly settings: RedirectSettings
  /** Annotations that could not be used, as lines for the log. */
  readonly warnings: readonly string[]
}

const BYPASS_INBOUND = 'ambient.istio.io/bypass-inbound-capture'
const DNS_CAPTURE = 'ambient.istio.io/dns-capture'
const VIRTUAL_INTERFACES = 'istio.io/reroute-virtual-interfaces'
/** Names go into rules as words: nothing that iptables could take for something else. */
const INTERFACE_NAME = /^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,14}\+?$/

/** What one pod's annotations make of the node's settings. Read when it is enrolled; a later change waits for the next time. Pure. */
export function podSettings(
  annotations: Readonly<Record<string, string>>,
  defaults: RedirectSettings,
): PodSettings {
  const warnings: string[] = []
  const flag = (name: string, fallback: boolean): boolean => {
    const text = annotations[name]?.trim().toLowerCase()
    if (text === 'true' || text === 'false') return text === 'true'
    if (text !== undefined)
      warnings.push(`annotation ${name} is neither "true" nor "false": "${text}"; ${String(fallback)} holds`)
    return fallback
  }
  const names = (annotations[VIRTUAL_INTERFACES] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  for (const name of names) {
    if (!INTERFACE_NAME.test(name))
      warnings.push(
        `annotation ${VIRTUAL_INTERFACES} holds no name of an interface: "${name}"; it is left out`,
      )
  }
  const settings = {
    ...defaults,
    ingressOnly: flag(BYPASS_INBOUND, defaults.ingressOnly),
    dnsCapture: flag(DNS_CAPTURE, defaults.dnsCapture),
    virtualInterfaces: [...defaults.virtualInterfaces, ...names.filter((name) => INTERFACE_NAME.test(name))],
  }
  return { settings, warnings }
}
