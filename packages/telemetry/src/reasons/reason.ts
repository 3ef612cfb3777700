/** `response_flags` of the standard metrics and dashboards; a reason says which of them it counts under. */
export type ResponseFlag =
  | '-'
  | 'DENY'
  | 'CONNECT'
  | 'TLS_FAILURE'
  | 'H2_HANDSHAKE_FAILURE'
  | 'NETWORK_POLICY'
  | 'IDENTITY_ERROR'
  | 'CERT_REVOKED'

/** Whose log says it. */
export type ReasonComponent =
  | 'all'
  | 'istiod'
  | 'ztunnel'
  | 'the DNS proxy'
  | 'the agent'
  | 'the plugin'
  | 'istiod and the agent'
  | 'the agent and ztunnel'

/** One way in which the mesh says no. */
export interface Reason {
  readonly flag: ResponseFlag
  /** What happened, in one sentence. */
  readonly meaning: string
  /** What the reader of the log line can do about it. */
  readonly action: string
  /** Of what is no end of a connection; those are in ztunnel's access log. */
  readonly component?: ReasonComponent
}

export type ControlReason = Reason & { readonly component: ReasonComponent }
