/** Refusals by the CNI agent, istiod, the CA, the xDS client and every part's configuration. None of them ends a connection. */
export const controlReasons = {
  CONFIG_INVALID: {
    flag: '-',
    component: 'all',
    meaning: 'An environment variable, an argument or a configuration file has a value that cannot be used.',
    action: 'Correct the value that the message names, and start again.',
  },
  PLATFORM_UNSUPPORTED: {
    flag: '-',
    component: 'all',
    meaning: 'The operating system, the kernel or the node binary lacks what the mesh needs.',
    action: 'Use Linux with the features that the message names, and the pinned Node.',
  },
  MANIFEST_INVALID: {
    flag: '-',
    component: 'istiod and the agent',
    meaning: 'A YAML file in the configuration directory could not be read as Kubernetes objects.',
    action:
      'Correct the file and line that the message names; until then its last good content stays in force.',
  },
  API_SERVER_UNAVAILABLE: {
    flag: '-',
    component: 'istiod and the agent',
    meaning: 'The API server cannot be reached or refuses; what was read last stays in force.',
    action: 'Check the network to the API server and, for a refusal, the rights of the service account.',
  },
  ROOT_NOT_PUBLISHED: {
    flag: '-',
    component: 'istiod',
    meaning:
      'The root certificate could not be written into a namespace’s ConfigMap or into the configuration of istiod’s webhook.',
    action:
      'Check the rights of istiod on the object that the message names; node proxies of new namespaces wait for the ConfigMap.',
  },
  POD_NOT_FOUND: {
    flag: '-',
    component: 'the agent',
    meaning: 'The pod of a CNI request is not known to the API server.',
    action: 'Nothing, if the pod was just deleted; else check the agent’s connection to the API server.',
  },
  NETNS_NOT_FOUND: {
    flag: '-',
    component: 'the agent',
    meaning: 'The pod’s network namespace could not be found or opened.',
    action: 'Check that the pod runs, and that the agent sees the host’s /proc and /var/run/netns.',
  },
  NETNS_IS_HOST: {
    flag: '-',
    component: 'the agent',
    meaning: 'The pod shares the host’s network namespace and cannot be enrolled.',
    action: 'Remove hostNetwork from the pod, or leave it out of the mesh.',
  },
  POD_IP_MISSING: {
    flag: '-',
    component: 'the agent',
    meaning: 'The pod has no IP address yet.',
    action: 'Check the CNI plugin that comes before the mesh’s in the chain.',
  },
  RULES_FAILED: {
    flag: '-',
    component: 'the agent',
    meaning: 'The redirect rules could not be written into the pod’s network namespace.',
    action: 'Read the tool’s message; check that iptables and the kernel modules it names are there.',
  },
  RULES_NOT_VERIFIED: {
    flag: '-',
    component: 'the agent',
    meaning: 'The redirect rules in the pod’s network namespace are not those that were written.',
    action: 'Look for another program that changes iptables inside pods.',
  },
  ZDS_NOT_CONNECTED: {
    flag: '-',
    component: 'the agent',
    meaning: 'No ztunnel is connected to the agent.',
    action: 'Check that ztunnel runs on the node; the pod is enrolled when it connects.',
  },
  ZDS_REFUSED: {
    flag: '-',
    component: 'the agent',
    meaning: 'Ztunnel could not take the pod.',
    action: 'Read the text it answered with; the pod is sent again by itself.',
  },
  ZDS_TIMEOUT: {
    flag: '-',
    component: 'the agent',
    meaning: 'Ztunnel did not acknowledge a message in time.',
    action: 'Look at ztunnel’s log and load.',
  },
  CNI_REQUEST_INVALID: {
    flag: '-',
    component: 'the plugin',
    meaning: 'The container runtime’s request lacks something or is of an unsupported version.',
    action: 'Check the CNI configuration list and the runtime’s version.',
  },
  PLUGIN_NOT_INSTALLED: {
    flag: '-',
    component: 'the agent',
    meaning: 'The CNI plugin could not be written to where the container runtime looks for plugins.',
    action: 'Check that the directory of the message is the runtime’s, is mounted and can be written.',
  },
  NETWORK_NOT_CONFIGURED: {
    flag: '-',
    component: 'the agent',
    meaning:
      'The container runtime’s network does not call the CNI plugin, or does not stay as it was written.',
    action:
      'Check the directory of the message, and that no other program insists on being the only network.',
  },
  REPAIR_POSTPONED: {
    flag: '-',
    component: 'the agent',
    meaning:
      'A pod that is said to be in the mesh and is not is not deleted or labelled yet: too many were lately.',
    action: 'Find out why so many pods start without the plugin; it goes on by itself.',
  },
  TOKEN_MISSING: {
    flag: '-',
    component: 'istiod',
    meaning: 'The caller sent no bearer token.',
    action: 'Mount a projected service-account token for the audience istio-ca, and name it in AUTH_TOKEN.',
  },
  TOKEN_INVALID: {
    flag: '-',
    component: 'istiod',
    meaning: 'The caller’s token is expired, for another audience, or not signed by a known key.',
    action: 'Check the token’s audience and issuer, the clocks, and the JWKS file.',
  },
  CALLER_NOT_TRUSTED: {
    flag: '-',
    component: 'istiod',
    meaning: 'The caller may not ask for certificates of other identities.',
    action: 'Add its service account to the CA’s trusted node accounts, if it is a node proxy.',
  },
  CALLER_NOT_FOUND: {
    flag: '-',
    component: 'istiod',
    meaning: 'The caller’s token is bound to a pod that is not known.',
    action: 'Nothing, if the pod has just started: it asks again; else check that the pod exists.',
  },
  IDENTITY_NOT_ON_NODE: {
    flag: '-',
    component: 'istiod',
    meaning: 'No pod on the caller’s node runs with the requested identity.',
    action: 'Nothing, if the pod has just started: it is asked for again; else check where the pod runs.',
  },
  CSR_INVALID: {
    flag: '-',
    component: 'istiod',
    meaning: 'The certificate signing request cannot be parsed, verified, or names what it may not.',
    action:
      'Check that the client sends a request of P-256, P-384, P-521, Ed25519, or RSA of 2048 bits or more, signed by its key.',
  },
  CERTIFICATE_TTL_INVALID: {
    flag: '-',
    component: 'istiod',
    meaning: 'A certificate was asked for that would last longer than the CA allows.',
    action: 'Lower SECRET_TTL of the node proxy, or raise MAX_WORKLOAD_CERT_TTL of the control plane.',
  },
  CA_EXPIRED: {
    flag: '-',
    component: 'istiod',
    meaning: 'The CA’s own certificate, or one above it, has expired, so nothing can be signed.',
    action:
      'Replace the files of the plugged-in CA; a root of istiod’s own gets a successor in time by itself.',
  },
  CA_ROOT_INVALID: {
    flag: '-',
    component: 'istiod',
    meaning: 'The CA’s certificates or key on disk cannot be used; what was read before stays in force.',
    action:
      'Restore the files that the message names, or remove both to make a new root, which ends trust in the old one.',
  },
  RESOURCE_INVALID: {
    flag: '-',
    component: 'ztunnel',
    meaning:
      'A resource from the control plane breaks a rule of its type and was refused; its last good version stays.',
    action: 'Correct the Kubernetes object that the message names.',
  },
  STATUS_NOT_WRITTEN: {
    flag: '-',
    component: 'istiod',
    meaning: 'The status of an object could not be written, after several attempts.',
    action:
      'Check that istiod may write the status of that kind; it is written when the object changes or istiod restarts.',
  },
  NODE_ID_INVALID: {
    flag: '-',
    component: 'istiod',
    meaning: 'A client of the control plane named its node in a form that is none.',
    action: 'Let it send type~ip~pod.namespace~namespace.svc.domain as the node id.',
  },
  NODE_NOT_CALLERS: {
    flag: '-',
    component: 'istiod',
    meaning:
      'A client of the control plane says that it is another pod or on another node than its credentials show.',
    action: 'Check its token and its POD_NAMESPACE, SERVICE_ACCOUNT and NODE_NAME.',
  },
  NODE_UNKNOWN: {
    flag: '-',
    component: 'istiod',
    meaning: 'It could not be told on which node a node proxy runs, so no policies could be chosen for it.',
    action:
      'Nothing, if its pod has just started: it comes again; else check that the control plane sees the pod.',
  },
  EXTERNAL_NAME_LEFT_OUT: {
    flag: '-',
    component: 'istiod',
    meaning: 'A Service of type ExternalName is nothing to the mesh: it is an alias that DNS resolves.',
    action: 'Nothing, if that is meant; a ServiceEntry makes the host it names known to the mesh.',
  },
  ENDPOINT_LEFT_OUT: {
    flag: '-',
    component: 'istiod',
    meaning: 'An endpoint of a ServiceEntry or a WorkloadEntry is one that no node proxy can reach.',
    action: 'Give it an IP address or a host name.',
  },
  HOST_TAKEN: {
    flag: '-',
    component: 'istiod',
    meaning:
      'A Service or an older ServiceEntry of the same namespace has the same host, so this one is not sent.',
    action: 'Delete one of the two, or take the host out of it.',
  },
  FIELD_IGNORED: {
    flag: '-',
    component: 'istiod',
    meaning: 'A field, label or annotation of an object has no effect in this mesh.',
    action: 'Take it away, or see in docs/compatibility.md what there is instead.',
  },
  ADDRESS_TAKEN: {
    flag: '-',
    component: 'istiod',
    meaning: 'A virtual IP that was allocated for a host of a ServiceEntry is somebody else’s too.',
    action:
      'Nothing: the host has been given another. Clients that hold on to the old one must ask DNS again.',
  },
  ADDRESSES_EXHAUSTED: {
    flag: '-',
    component: 'istiod',
    meaning: 'All virtual IPs of the range for ServiceEntries are in use.',
    action:
      'Give istiod a larger range by PILOT_IP_AUTOALLOCATE_IPV4_PREFIX, or ServiceEntries their own addresses.',
  },
  WAYPOINT_NOT_BOUND: {
    flag: '-',
    component: 'istiod',
    meaning: 'A service or workload refers to a waypoint that is not ready or does not take its traffic.',
    action:
      'Read in the message whether its connections go direct or are refused; deploy the waypoint, or change the label.',
  },
  POLICY_UNSUPPORTED: {
    flag: '-',
    component: 'istiod',
    meaning:
      'An AuthorizationPolicy uses what a node proxy cannot enforce; the affected rule was tightened or left out.',
    action: 'Use L4 attributes only, or attach the policy to a waypoint.',
  },
  DNS_QUERY_INVALID: {
    flag: '-',
    component: 'the DNS proxy',
    meaning: 'A DNS query cannot be read, is a response, or has not exactly one question.',
    action: 'Look at the client that the log line names; it was answered FORMERR.',
  },
  DNS_QUERY_UNSUPPORTED: {
    flag: '-',
    component: 'the DNS proxy',
    meaning:
      'A DNS query asks for what the DNS proxy does not do: an update, a zone transfer, a later EDNS version.',
    action:
      'Turn DNS capture off for the pod by the annotation ambient.istio.io/dns-capture, if it needs this.',
  },
  DNS_UPSTREAM_FAILED: {
    flag: '-',
    component: 'the DNS proxy',
    meaning: 'No name server gave a usable answer to a forwarded DNS query.',
    action:
      'Check the name servers in ztunnel’s resolv.conf, and that they can be reached from the pod’s network.',
  },
} as const
