import type { SessionEnd, UntouchedCause } from '@ambient/hbone'

/**
 * `again`: another session to the same next hop. `elsewhere`: this one cannot be had, another endpoint may. `give-up`:
 * trying again would be answered the same, or is not wanted.
 */
export type NextTry = 'again' | 'elsewhere' | 'give-up'

/** What to do with a connection whose tunnel never began; no byte of its app was read. Pure. */
export function nextTry(cause: UntouchedCause): NextTry {
  switch (cause.kind) {
    case 'not-taken':
      return 'again'
    case 'refused':
      // A policy or a wrong request is refused everywhere; 5xx is about this one endpoint.
      return cause.status >= 500 ? 'elsewhere' : 'give-up'
    case 'peer-reset':
    case 'stream-error':
    case 'unanswered':
      return 'elsewhere'
    case 'session-lost':
      return afterSession(cause.session)
  }
}

function afterSession({ kind }: SessionEnd): NextTry {
  switch (kind) {
    case 'connect-failed':
    case 'handshake-failed':
    case 'peer-refused':
    case 'protocol-error':
      return 'elsewhere'
    // It worked before: a pod may have been replaced under its address, or a node proxy restarted.
    case 'peer-closed':
    case 'peer-silent':
    case 'peer-deaf':
    case 'connection-lost':
    case 'drained':
      return 'again'
    case 'closed':
    case 'fault':
      return 'give-up'
  }
}
