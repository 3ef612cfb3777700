import type { Logger } from '@ambient/telemetry'
import { type PodRegistry, ZdsProtocolError } from './pod-registry.ts'
import type { AgentRequest, ZdsAnswer, ZdsReport } from './zds-messages.ts'

export interface ServeAgentDeps {
  readonly registry: PodRegistry
  readonly answer: (answer: ZdsAnswer) => void
  readonly logger: Logger
  /** The agent broke the protocol: what it believes and what we hold have parted, so the process starts anew. */
  readonly onProtocolError: (cause: ZdsProtocolError) => void
}

/** Turns what the CNI agent says into changes of the registry, one after another, each with exactly one answer. */
export function serveAgent({
  registry,
  answer,
  logger,
  onProtocolError,
}: ServeAgentDeps): (report: ZdsReport) => void {
  let queue: Promise<void> = Promise.resolve()
  const then = (step: () => Promise<void> | void): void => {
    queue = queue.then(step).catch((cause: unknown) => {
      if (cause instanceof ZdsProtocolError) return onProtocolError(cause)
      logger.error('agent request failed', { error: String(cause) })
    })
  }
  const serve = async (number: number, request: AgentRequest): Promise<void> => {
    try {
      answer({ kind: 'answer', number, error: await apply(registry, request) })
    } catch (cause) {
      answer({ kind: 'answer', number, error: `failure to process message : ${String(cause)}` })
      throw cause
    }
  }
  return (report) => {
    switch (report.kind) {
      case 'connected':
        return then(() => registry.connected())
      case 'disconnected':
        logger.warn('agent connection ended', { error: report.reason })
        return then(() => registry.disconnected())
      case 'request':
        return then(() => serve(report.number, report.request))
    }
  }
}

async function apply(registry: PodRegistry, request: AgentRequest): Promise<string | undefined> {
  switch (request.kind) {
    case 'add':
      return registry.add(request.uid, request.info, request.netns)
    case 'keep':
      registry.keep(request.uid)
      return undefined
    case 'del':
      await registry.remove(request.uid)
      return undefined
    case 'snapshot-sent':
      await registry.snapshotSent()
      return undefined
  }
}
