import type { HandedSocket } from '@ambient/zds'

/** A listening socket of a pod, and what it is for. */
export type PodSocket = HandedSocket

export type PodSocketRole = PodSocket['role']
