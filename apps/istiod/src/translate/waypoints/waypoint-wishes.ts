import type { ObjectMeta } from '@ambient/kube'

/** What the labels of an object or of its namespace say about waypoints; undefined where they say nothing. */
export interface WaypointWishes {
  /** `none` wants none. */
  readonly waypoint?: string | undefined
  readonly waypointNamespace?: string | undefined
  readonly canary?: string | undefined
  readonly canaryNamespace?: string | undefined
  readonly canaryWeight?: string | undefined
  readonly ingress?: string | undefined
  /** What is to become of connections while the waypoint cannot be used. */
  readonly missing?: string | undefined
}

const LABELS = {
  waypoint: 'istio.io/use-waypoint',
  waypointNamespace: 'istio.io/use-waypoint-namespace',
  canary: 'istio.io/use-waypoint-canary',
  canaryNamespace: 'istio.io/use-waypoint-canary-namespace',
  ingress: 'istio.io/ingress-use-waypoint',
  missing: 'istio.io/waypoint-missing',
} as const
const CANARY_WEIGHT = 'istio.io/use-waypoint-canary-weight'

export const NO_WISHES: WaypointWishes = {}

export function waypointWishes({ labels, annotations }: Labelled): WaypointWishes {
  const wishes: [string, string | undefined][] = [
    ...Object.entries(LABELS).map(([wish, label]): [string, string | undefined] => [wish, labels[label]]),
    ['canaryWeight', annotations?.[CANARY_WEIGHT]],
  ]
  const said = wishes.filter(([, value]) => value !== undefined && value !== '')
  return said.length === 0 ? NO_WISHES : Object.fromEntries<string | undefined>(said)
}

/** The waypoint of that name; in `namespace`, the object's own, unless the name of another stands beside it. */
export function wishedWaypoint(
  name: string | undefined,
  beside: string | undefined,
  namespace: string,
): WaypointName | 'none' | undefined {
  if (name === undefined || name === 'none') return name
  return { namespace: beside ?? namespace, name }
}

export interface WaypointName {
  readonly namespace: string
  readonly name: string
}

export function waypointKey({ namespace, name }: WaypointName): string {
  return `${namespace}/${name}`
}

type Labelled = Pick<ObjectMeta, 'labels'> & Partial<Pick<ObjectMeta, 'annotations'>>
