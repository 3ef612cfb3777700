/** What crosses between the control thread and the thread that speaks ZDS. */
import type { MessagePort } from 'node:worker_threads'
import type { HandoverCommand, HandoverReport } from '../handover/handover-messages.ts'
import type { PodInfo } from '../worker/messages.ts'

export type AgentRequest =
  /** `netns` becomes the receiver's. */
  | { readonly kind: 'add'; readonly uid: string; readonly info: PodInfo; readonly netns: number }
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'del'; readonly uid: string }
  | { readonly kind: 'snapshot-sent' }

export type ZdsReport =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected'; readonly reason: string }
  /** Answered by exactly one `ZdsAnswer` with the same number, in order. */
  | { readonly kind: 'request'; readonly number: number; readonly request: AgentRequest }

export type ZdsThreadReport = ZdsReport | HandoverReport

export function isOfAgent(report: ZdsThreadReport): report is ZdsReport {
  return report.kind === 'connected' || report.kind === 'disconnected' || report.kind === 'request'
}

export interface ZdsAnswer {
  readonly kind: 'answer'
  readonly number: number
  readonly error: string | undefined
}

/** What the control thread tells this one. */
export type ZdsCommand =
  | ZdsAnswer
  | HandoverCommand
  /** The first: from here on the agent is sought, and a predecessor before it. */
  | { readonly kind: 'join' }

export interface ZdsStart {
  readonly socketPath: string
  readonly handoverPath: string
  readonly wakeFd: number
  readonly commands: MessagePort
}

/** Whether this is what the control thread starts the ZDS thread with, and not a thread that somebody else started. */
export function isZdsStart(value: unknown): value is ZdsStart {
  return typeof value === 'object' && value !== null && 'socketPath' in value && 'commands' in value
}
