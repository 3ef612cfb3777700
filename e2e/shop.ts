/** The sample shop as scenarios and the demo speak of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Capture, Lab, TcpPacket } from '@ambient/lab'
import type { IpVersion } from './way.ts'

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

/**
 * What `pod`, named `namespace/name`, gets from the shop's web server; empty when it is refused.
 *
 * @param version Over which family; without it, over IPv6 where the pod has that.
 */
export async function curl(
  lab: Lab,
  pod: string,
  maxSeconds = 5,
  version: IpVersion = mainVersion(lab, pod),
): Promise<string> {
  const url = pod.startsWith('shop/') ? 'http://web/' : 'http://web.shop/'
  const { stdout } = await lab
    .pod(pod)
    .exec(['curl', '-sS', `-${version}`, '--max-time', String(maxSeconds), url])
  return stdout
}

/** What it gets when it is let in and its own address is seen. */
export function answerFor(lab: Lab, pod: string, version?: IpVersion): string {
  return `${MARKER} seen from ${ipOf(lab, pod, version)}\n`
}

/** Its address; without a version, the one that `curl()` uses. */
export function ipOf(lab: Lab, pod: string, version: IpVersion = mainVersion(lab, pod)): string {
  const ip = lab.pod(pod).ips.find((each) => each.includes(':') === (version === 6))
  if (ip === undefined) throw new Error(`Pod ${pod} has no IPv${version} address`)
  return ip
}

function mainVersion(lab: Lab, pod: string): IpVersion {
  return lab.pod(pod).ips.some((ip) => ip.includes(':')) ? 6 : 4
}

/** Labels the namespace and waits for each pod's agent to have enrolled it. */
export async function enrolShop(lab: Lab): Promise<void> {
  lab.label('namespace/shop', { 'istio.io/dataplane-mode': 'ambient' })
  for (const pod of PODS) {
    const agent = lab.app(`agent@${lab.pod(`shop/${pod}`).nodeName}`)
    await agent.waitForLog(new RegExp(`pod enrolled.*shop/${pod}"`), 15_000)
  }
}

/**
 * Whether the server's node has seen the client's identity: until the client's node knows that the server is enrolled, what is sent
 * there is plaintext, which is inbound as well.
 */
export function isCarried(lab: Lab): boolean {
  const lines = lab.app('ztunnel@node2').logs().split('\n')
  return lines.some(
    (line) => line.includes('direction="inbound"') && line.includes('src.identity="spiffe://'),
  )
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

/** The last finished connection in the access log of a ztunnel that has all of these texts, if there is one. */
export function finishedLine(lab: Lab, ztunnel: string, ...texts: readonly string[]): string | undefined {
  return lab
    .app(ztunnel)
    .logs()
    .split('\n')
    .findLast((line) => ['connection complete', ...texts].every((text) => line.includes(text)))
}
