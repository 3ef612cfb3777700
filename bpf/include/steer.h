// Gives a TCP packet to one of ztunnel's listeners in this network namespace, unless it belongs to a connection already.
#pragma once
#include "packet.h"
#include "verdict.h"

static __always_inline struct bpf_sock *look_up(struct __sk_buff *skb, const struct packet *packet,
						const struct mesh_address *destination, __be16 port)
{
	struct bpf_sock_tuple tuple = {};

	if (packet->is_v6) {
		__builtin_memcpy(tuple.ipv6.saddr, &packet->source, 16);
		__builtin_memcpy(tuple.ipv6.daddr, destination, 16);
		tuple.ipv6.sport = packet->source_port;
		tuple.ipv6.dport = port;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	tuple.ipv4.saddr = unmap_v4(&packet->source);
	tuple.ipv4.daddr = unmap_v4(destination);
	tuple.ipv4.sport = packet->source_port;
	tuple.ipv4.dport = port;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
}

// A new SYN for a connection in TIME_WAIT opens another one, for which the kernel would look for a listener by the packet's
// own destination: the application's. So it does not count as one of that connection.
static __always_inline int belongs_to_connection(struct __sk_buff *skb, const struct packet *packet)
{
	struct bpf_sock *found = look_up(skb, packet, &packet->destination, packet->destination_port);
	int state;

	if (!found)
		return 0;
	state = found->state;
	bpf_sk_release(found);
	if (state == BPF_TCP_TIME_WAIT)
		return !(packet->tcp_flags & TCP_FLAG_SYN);
	return state != BPF_TCP_LISTEN;
}

static __always_inline int steer(struct __sk_buff *skb, const struct packet *packet, __u16 port, enum mesh_cause cause)
{
	struct mesh_address loopback = {};
	struct bpf_sock *listener;
	long result;

	if (packet->is_v6)
		loopback.bytes[15] = 1;
	else
		map_v4(&loopback, bpf_htonl(INADDR_LOOPBACK));
	listener = look_up(skb, packet, &loopback, bpf_htons(port));
	if (!listener)
		return drop(MESH_DROP_NO_LISTENER);
	if (listener->state != BPF_TCP_LISTEN) {
		bpf_sk_release(listener);
		return drop(MESH_DROP_NO_LISTENER);
	}
	result = bpf_sk_assign(skb, listener, 0);
	bpf_sk_release(listener);
	if (result)
		return drop(MESH_DROP_NOT_ASSIGNED);
	count(cause);
	return STEERED;
}

static __always_inline int is_own(const struct mesh_address *address)
{
	return bpf_map_lookup_elem(&own_addresses, address) != 0;
}
