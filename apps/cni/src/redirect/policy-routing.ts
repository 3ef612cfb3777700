import type { IpFamily } from './redirect-rules.ts'

const RULE_PRIORITY = 32764
const TABLE = 100
const MARK = '0x111/0xfff'
const EVERYWHERE: Readonly<Record<IpFamily, string>> = { ipv4: '0.0.0.0/0', ipv6: '::/0' }

/** Which of the two parts are there: marked packets are looked up in table 100, where everything is local on lo. */
export interface PolicyRouting {
  readonly rule: boolean
  readonly route: boolean
}

/** Lines for `ip -batch`: one asks for both parts. Table 100 may not exist yet, so `-force` belongs to it. */
export const policyRoutingQuery: string = `rule show\nroute show table ${TABLE}\n`

/** Reads what `policyRoutingQuery` printed. Pure. */
export function parsePolicyRouting(text: string): PolicyRouting {
  const lines = text.split('\n').map((line) => line.trim())
  return {
    rule: lines.some(
      (line) =>
        line.startsWith(`${RULE_PRIORITY}:`) &&
        line.includes(`fwmark ${MARK}`) &&
        line.includes(`lookup ${TABLE}`),
    ),
    route: lines.some((line) => /^local default dev lo\b/.test(line)),
  }
}

/** Lines for `ip -batch` that add what is missing; the route first, so that the rule never points at an empty table. Pure. */
export function policyRoutingToAdd(family: IpFamily, found: PolicyRouting): string {
  const route = `route add local ${EVERYWHERE[family]} dev lo scope host table ${TABLE}\n`
  const rule = `rule add pref ${RULE_PRIORITY} fwmark ${MARK} lookup ${TABLE}\n`
  return `${found.route ? '' : route}${found.rule ? '' : rule}`
}

/** Lines for `ip -batch` that remove what is there. Pure. */
export function policyRoutingToRemove(family: IpFamily, found: PolicyRouting): string {
  const rule = `rule del pref ${RULE_PRIORITY} fwmark ${MARK} lookup ${TABLE}\n`
  const route = `route del local ${EVERYWHERE[family]} dev lo table ${TABLE}\n`
  return `${found.rule ? rule : ''}${found.route ? route : ''}`
}
