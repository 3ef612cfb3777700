/** Refusals and ends of connections, in the order in which a connection can meet them. */
export const trafficReasons = {
  SOCKS_REQUEST_INVALID: {
    flag: 'CONNECT',
    meaning: 'A client on the SOCKS5 port asked for what this proxy does not do, or did not speak SOCKS5.',
    action: 'Configure the app for SOCKS5 without a password, and for CONNECT.',
  },
  SELF_CALL: {
    flag: 'CONNECT',
    meaning: 'The connection was made to one of the proxy’s own listeners.',
    action: 'Dial the app’s port; ports 15001, 15006 and 15008 of a pod are taken by the mesh.',
  },
  SOURCE_UNKNOWN: {
    flag: 'CONNECT',
    meaning: 'The control plane has not described the pod that made this connection in time.',
    action:
      'Check that istiod is reachable and knows the pod, and that its name, namespace and service account agree.',
  },
  LOCAL_WORKLOAD_UNKNOWN: {
    flag: 'CONNECT',
    meaning: 'The control plane has not described the pod that this connection came in for.',
    action:
      'Check that istiod is reachable and knows the pod, and that its name, namespace and service account agree.',
  },
  DESTINATION_UNANSWERED: {
    flag: 'CONNECT',
    meaning:
      'The mesh is known on demand, and the control plane did not say in time what is at the destination.',
    action:
      'Check that istiod is reachable and not overloaded; without XDS_ON_DEMAND everything is known ahead.',
  },
  WAYPOINT_UNKNOWN: {
    flag: 'CONNECT',
    meaning: 'The destination has a waypoint, and no healthy endpoint of that waypoint is known.',
    action:
      'Check that the waypoint named by istio.io/use-waypoint is ready; if its name here ends in waypoint.invalid, the status of the service says why.',
  },
  NO_HEALTHY_UPSTREAM: {
    flag: 'CONNECT',
    meaning: 'The service has no endpoint that is ready, offers this port and fits its traffic distribution.',
    action:
      'Check the pods behind the service, their readiness, the port, and the traffic distribution setting.',
  },
  WORKLOAD_ADDRESS_UNKNOWN: {
    flag: 'CONNECT',
    meaning: 'The endpoint has no address, or is known by a host name that could not be resolved.',
    action:
      'Check the ServiceEntry’s host names, and the name servers of ztunnel’s own pod, which resolves them.',
  },
  NETWORK_GATEWAY_UNKNOWN: {
    flag: 'CONNECT',
    meaning: 'The endpoint is on another network, and there is no way through a gateway of that network.',
    action:
      'Check that the other network has a gateway that is ready and known here, and that a service was dialled.',
  },
  REMOTE_IDENTITY_UNKNOWN: {
    flag: 'CONNECT',
    meaning: 'The endpoint is on another network, and its service does not say who may answer for it there.',
    action:
      'Check the connection between the clusters’ control planes: they tell each other the service accounts.',
  },
  IDENTITY_UNAVAILABLE: {
    flag: 'IDENTITY_ERROR',
    meaning: 'There is no valid certificate for the local pod’s identity.',
    action: 'Look for CA errors in ztunnel’s log and in istiod’s; the fetch is tried again by itself.',
  },
  CONNECT_FAILED: {
    flag: 'CONNECT',
    meaning: 'The TCP connection to the next hop was refused or failed.',
    action: 'Check that the destination listens on the port, and the route to it.',
  },
  CONNECT_TIMEOUT: {
    flag: 'CONNECT',
    meaning: 'The TCP connection to the next hop was not answered in time.',
    action: 'Check the route to the destination, and firewalls that drop packets.',
  },
  HBONE_TIMEOUT: {
    flag: 'NETWORK_POLICY',
    meaning: 'The TCP connection to port 15008 of the peer was not answered in time.',
    action: 'Look for a NetworkPolicy or firewall that drops TCP port 15008, and allow it.',
  },
  TLS_FAILED: {
    flag: 'TLS_FAILURE',
    meaning: 'The TLS handshake with the peer failed.',
    action: 'Compare the trust bundles of both ends, and look at the peer’s log for its side of the story.',
  },
  TLS_TIMEOUT: {
    flag: 'TLS_FAILURE',
    meaning: 'The peer did not finish the TLS handshake in time.',
    action: 'Check that the peer is a mesh proxy and not overloaded.',
  },
  PEER_CERTIFICATE_MISSING: {
    flag: 'TLS_FAILURE',
    meaning: 'The peer presented no certificate.',
    action: 'Only enrolled workloads and gateways may dial port 15008; others dial the app’s port.',
  },
  PEER_CERTIFICATE_INVALID: {
    flag: 'TLS_FAILURE',
    meaning:
      'The peer’s certificate is expired, not signed by a trusted root, or no SVID with exactly one SPIFFE ID.',
    action: 'Check the peer’s clock and CA; both ends must trust one root.',
  },
  PEER_IDENTITY_MISMATCH: {
    flag: 'TLS_FAILURE',
    meaning: 'The server proved an identity other than those that the destination may have.',
    action:
      'If it persists, something else holds that IP address: check for address reuse and for the pod’s service account.',
  },
  TRUST_DOMAIN_MISMATCH: {
    flag: 'TLS_FAILURE',
    meaning: 'The client’s identity belongs to another trust domain.',
    action: 'Use one trust domain for all clusters of the mesh.',
  },
  CERTIFICATE_REVOKED: {
    flag: 'CERT_REVOKED',
    meaning: 'The peer’s certificate is on the revocation list.',
    action: 'Restart the peer with a fresh certificate, if it is still trusted.',
  },
  H2_FAILED: {
    flag: 'H2_HANDSHAKE_FAILURE',
    meaning: 'The peer broke the HTTP/2 protocol, or did not begin to speak it.',
    action: 'Check that the peer on port 15008 speaks HBONE; report a peer that is a mesh proxy.',
  },
  HBONE_REFUSED: {
    flag: 'CONNECT',
    meaning: 'The peer answered CONNECT with a status other than 200.',
    action:
      'Look at the peer’s access log: 401 is its policy, 400 a wrong authority, 503 an app that cannot be reached.',
  },
  METHOD_NOT_CONNECT: {
    flag: 'CONNECT',
    meaning: 'A request on port 15008 had a method other than CONNECT.',
    action: 'Send HTTP requests to the app’s port; port 15008 carries tunnels only.',
  },
  AUTHORITY_INVALID: {
    flag: 'CONNECT',
    meaning: 'The :authority of a CONNECT request is no address or host name with a port.',
    action: 'Fix the client that speaks HBONE.',
  },
  AUTHORITY_MISMATCH: {
    flag: 'CONNECT',
    meaning: 'The :authority of a CONNECT request names an address that is not this pod’s.',
    action: 'If it persists, the client knows an outdated address; check its control plane connection.',
  },
  PORT_UNRESOLVED: {
    flag: 'CONNECT',
    meaning: 'The :authority names a service port that this pod does not map to a port of its own.',
    action: 'Check that the service selects the pod, and its targetPort.',
  },
  PROXY_ADDRESS_MISSING: {
    flag: 'CONNECT',
    meaning: 'The pod wants a PROXY header, and the service asked for by name has no address to put into it.',
    action: 'Give the service a virtual IP, or its pods an application tunnel without PROXY protocol.',
  },
  POLICY_DENIED: {
    flag: 'DENY',
    meaning: 'A DENY policy matched the connection.',
    action: 'Read the policy named in the log line.',
  },
  NO_ALLOW_POLICY_MATCHED: {
    flag: 'DENY',
    meaning: 'There are ALLOW policies for the destination, and none of them allows this connection.',
    action: 'Add the client’s identity and port to an ALLOW policy, if it may come in.',
  },
  POLICY_UNKNOWN: {
    flag: 'DENY',
    meaning: 'The destination is under a policy that has not arrived, so nobody can say that it would allow.',
    action: 'Wait a moment; if it persists, look in the log for a policy that was refused by the xDS client.',
  },
  POLICY_CHANGED: {
    flag: 'DENY',
    meaning:
      'The connection was open, and a change of policy or of the destination’s description now denies it.',
    action: 'Read the policy named in the log line.',
  },
  SESSION_LOST: {
    flag: 'CONNECT',
    meaning: 'The HBONE connection that carried this tunnel ended, or stopped answering pings.',
    action: 'See whether the peer’s proxy restarted or its node went away.',
  },
  DOWNSTREAM_CLOSED: {
    flag: 'CONNECT',
    meaning:
      'The downstream was gone before its connection was decided, or before all data was written to it.',
    action: 'Look at the client app’s log.',
  },
  DRAINED: {
    flag: 'CONNECT',
    meaning: 'The proxy or the pod’s enrolment ended, and the connection had not ended by the deadline.',
    action:
      'Nothing, if it was an upgrade; clients reconnect. A longer deadline is set by CONNECTION_TERMINATION_DEADLINE.',
  },
  WORKER_FAULT: {
    flag: 'CONNECT',
    meaning: 'An error in the proxy’s own code ended this connection, and no other.',
    action: 'Report it with the log line; it is a defect of the mesh.',
  },
  LIMIT_REACHED: {
    flag: 'CONNECT',
    meaning: 'A limit of the proxy was reached; the detail names it.',
    action: 'See docs/limits.md for what the limit protects and what to do.',
  },
} as const
