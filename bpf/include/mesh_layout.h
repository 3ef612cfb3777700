// What the programs and whoever loads them agree on: the one definition. packages/bpf repeats it in TypeScript, and a test
// there compares the two by the BTF of the built object.
#pragma once
#include <linux/types.h>

#define MESH_MAX_OWN_ADDRESSES 256
#define MESH_MAX_DNS_QUESTIONS 1024

// The ports that ztunnel listens on in a pod.
#define ZTUNNEL_OUTBOUND_PORT 15001
#define ZTUNNEL_INBOUND_PORT 15006
#define ZTUNNEL_HBONE_PORT 15008
#define ZTUNNEL_DNS_PORT 15053
#define DNS_PORT 53

// An IPv4 address is ::ffff:a.b.c.d, so that one map and one comparison serve both families.
struct mesh_address {
	__u8 bytes[16];
};

#define MESH_READY 1
#define MESH_DNS 2

// One entry. While it is all zero (without MESH_READY) the programs drop what they would steer.
struct mesh_settings {
	struct mesh_address probe_v4;
	struct mesh_address probe_v6;
	__u32 mark;
	__u32 mask;
	__u32 flags;
};

// One query that is on its way: answers are told apart by its id, so that one socket may ask several resolvers at once.
struct mesh_dns_question {
	struct mesh_address asker;
	__be16 port;
	__be16 id;
};

struct mesh_dns_resolver {
	struct mesh_address address;
};

// Why a packet was steered or dropped: the index of its counter. What just passes is not counted.
enum mesh_cause {
	MESH_OUTBOUND,
	MESH_INBOUND,
	MESH_DNS_STREAM,
	MESH_DNS_QUERY,
	MESH_DNS_ANSWER,
	MESH_DROP_NOT_READY,
	MESH_DROP_NO_LISTENER,
	MESH_DROP_NOT_ASSIGNED,
	MESH_DROP_FRAGMENT,
	MESH_DROP_TRUNCATED,
	MESH_DROP_HEADERS,
	MESH_DROP_VLAN,
	MESH_DROP_NOT_REWRITTEN,
	MESH_DROP_GUARD,
	MESH_CAUSES,
};
