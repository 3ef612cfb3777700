// The maps that every program shares, and who writes them: the agent all but `counters` and `dns_questions`.
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "mesh_layout.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mesh_settings);
} settings SEC(".maps");

// The addresses of the pod's interfaces, loopback apart; the value says nothing.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MESH_MAX_OWN_ADDRESSES);
	__type(key, struct mesh_address);
	__type(value, __u32);
} own_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MESH_CAUSES);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

// The oldest question gives way: whoever asks too many loses answers, and nobody else memory.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MESH_MAX_DNS_QUESTIONS);
	__type(key, struct mesh_dns_question);
	__type(value, struct mesh_dns_resolver);
} dns_questions SEC(".maps");

// Not inline: its signature is what brings the names of the causes into the object's BTF.
static __attribute__((noinline)) int count(enum mesh_cause cause)
{
	__u32 key = cause;
	__u64 *counter = bpf_map_lookup_elem(&counters, &key);

	if (counter)
		*counter += 1;
	return 0;
}
