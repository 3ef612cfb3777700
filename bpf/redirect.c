// The one object: every hook of a pod, and the maps that they share.
#include "lo_ingress.c"
#include "lo_egress.c"
#include "uplink_ingress.c"
#include "uplink_egress.c"
#include "virtual_ingress.c"

char LICENSE[] SEC("license") = "Apache-2.0";
