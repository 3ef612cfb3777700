/** The labels of the `istio_dns_*` metrics, in upstream's order: of the client no more than these two, and no name. */
export const dnsLabelNames = [
  'request_query_type',
  'request_protocol',
  'source_canonical_service',
  'source_canonical_revision',
] as const
