/** How a lab redirects and which addresses its pods have: what every scenario and the demo can be run with. */
import { type LabFamilies, type LabRedirectMode, parseFamilies, parseRedirectMode } from '@ambient/lab'

export interface Way {
  readonly redirectMode: LabRedirectMode
  readonly families: LabFamilies
}

export type IpVersion = 4 | 6

/** @throws {LabError} `MANIFEST_INVALID`, naming what each may be */
export function parseWay(redirect = 'iptables', families = 'ipv4'): Way {
  return { redirectMode: parseRedirectMode(redirect), families: parseFamilies(families) }
}

/** What `npm test -- --redirect MODE --families FAMILIES e2e` asks for; undefined when it asks for nothing. */
export function chosenWay(): Way | undefined {
  const { LAB_REDIRECT: redirect, LAB_FAMILIES: families } = process.env
  return redirect === undefined && families === undefined ? undefined : parseWay(redirect, families)
}

/** As the demo takes it on its command line. */
export function wayOptions({ redirectMode, families }: Way): readonly string[] {
  return ['--redirect', redirectMode, '--families', families]
}

export function versionsOf(families: LabFamilies): readonly IpVersion[] {
  if (families === 'dual') return [4, 6]
  return families === 'ipv6' ? [6] : [4]
}
