/** The sample shop as scenarios and the demo speak of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Capture, Lab, TcpPacket } from '@ambient/lab'

export const SHOP: string = readFileSync(join(import.meta.dirname, 'demo', 'shop.yaml'), 'utf8')
export const PODS = ['web', 'cache', 'client', 'other'] as const
export const MARKER = 'marker-7c1f0b'
const HBONE_PORT = 15008

/** A policy of the shop that names one service account. */
export function policyYaml(name: string, action: 'ALLOW' | 'DENY', account: string): string {
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  action: ${action}
  rules:
  - from: [{ source: { principals: ["cluster.local/ns/shop/sa/${account}"] } }]
`
}

export type IpVersion = 4 | 6

/**
 * What `pod`, named `namespace/name`, gets from the shop's web server; empty when it is refused.
 *
 * @param version Over which family; without it, curl chooses.
 */
export async function curl(lab: Lab, pod: string, maxSeconds = 5, version?: IpVersion): Promise<string> {
  const url = pod.startsWith('shop/') ? 'http://web/' : 'http://web.shop/'
  const family = version === undefined ? [] : [`-${version}`]
  const { stdout } = await lab
    .pod(pod)
    .exec(['curl', '-sS', ...family, '--max-time', String(maxSeconds), url])
  return stdout
}

/** What it gets when it is let in and its own address is seen. */
export function answerFor(lab: Lab, pod: string, version?: IpVersion): string {
  const ip = version === undefined ? lab.pod(pod).ip : ipOf(lab, pod, version)
  return `${MARKER} seen from ${ip}\n`
}

export function ipOf(lab: Lab, pod: string, version: IpVersion): string {
  const ip = lab.pod(pod).ips.find((each) => each.includes(':') === (version === 6))
  if (ip === undefined) throw new Error(`Pod ${pod} has no IPv${version} address`)
  return ip
}

/** Labels the namespace and waits for each pod's agent to have enrolled it. */
export async function enrolShop(lab: Lab): Promise<void> {
  lab.label('namespace/shop', { 'istio.io/dataplane-mode': 'ambient' })
  for (const pod of PODS) {
    const agent = lab.app(`agent@${lab.pod(`shop/${pod}`).nodeName}`)
    await agent.waitForLog(new RegExp(`pod enrolled.*shop/${pod}"`), 15_000)
  }
}

/** TCP packets from pod to pod that crossed the link, HBONE and other. */
export async function podTraffic(
  wire: Capture,
): Promise<{ readonly hbone: readonly TcpPacket[]; readonly clear: readonly TcpPacket[] }> {
  const packets = (await wire.packets()).filter(
    ({ source, destination }) => isPod(source) && isPod(destination),
  )
  return { hbone: packets.filter(isHbone), clear: packets.filter((packet) => !isHbone(packet)) }
}

function isPod(ip: string): boolean {
  return ip.startsWith('10.244.') || ip.startsWith('fd00:10:244:')
}

function isHbone({ sourcePort, destinationPort }: TcpPacket): boolean {
  return sourcePort === HBONE_PORT || destinationPort === HBONE_PORT
}
