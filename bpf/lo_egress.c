// Egress of lo: DNS over UDP. A query to any resolver goes to ztunnel's port on loopback, and its answer comes back with the
// resolver's address as if it had answered itself.
#include <stddef.h>
#include "include/packet.h"
#include "include/verdict.h"

#define UDP_HEADER_BYTES 8

// Only of packets on lo, whose link header is Ethernet's.
static __always_inline int rewrite(struct __sk_buff *skb, const struct packet *packet, int is_source,
				   const struct mesh_address *address, __be16 port)
{
	const struct mesh_address *old = is_source ? &packet->source : &packet->destination;
	__be16 old_port = is_source ? packet->source_port : packet->destination_port;
	__u32 udp = ETH_HLEN + packet->transport;
	__u32 checksum = udp + offsetof(struct udphdr, check);
	__u32 port_at = udp + (is_source ? offsetof(struct udphdr, source) : offsetof(struct udphdr, dest));
	__u64 flags = BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0;

	if (bpf_l4_csum_replace(skb, checksum, old_port, port, BPF_F_MARK_MANGLED_0 | sizeof(port)))
		return -1;
	if (packet->is_v6) {
		__u32 at = ETH_HLEN + (is_source ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr));
		struct mesh_address from = *old, to = *address;
		__s64 change = bpf_csum_diff((void *)&from, sizeof(from), (void *)&to, sizeof(to), 0);

		if (change < 0 || bpf_l4_csum_replace(skb, checksum, 0, change, flags) ||
		    bpf_skb_store_bytes(skb, at, &to, sizeof(to), 0))
			return -1;
	} else {
		__u32 at = ETH_HLEN + (is_source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));
		__be32 from = unmap_v4(old), to = unmap_v4(address);

		if (bpf_l4_csum_replace(skb, checksum, from, to, flags | sizeof(to)) ||
		    bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), from, to, sizeof(to)) ||
		    bpf_skb_store_bytes(skb, at, &to, sizeof(to), 0))
			return -1;
	}
	return bpf_skb_store_bytes(skb, port_at, &port, sizeof(port), 0);
}

static __always_inline int answer(struct __sk_buff *skb, const struct packet *packet, __be16 id)
{
	struct mesh_dns_question question = { .asker = packet->destination, .port = packet->destination_port, .id = id };
	struct mesh_dns_resolver *resolver = bpf_map_lookup_elem(&dns_questions, &question);
	struct mesh_address address;

	if (!resolver)
		return PASS;
	address = resolver->address;
	if (rewrite(skb, packet, 1, &address, bpf_htons(DNS_PORT)))
		return drop(MESH_DROP_NOT_REWRITTEN);
	count(MESH_DNS_ANSWER);
	return PASS;
}

static __always_inline int query(struct __sk_buff *skb, const struct packet *packet, __be16 id)
{
	struct mesh_dns_question question = { .asker = packet->source, .port = packet->source_port, .id = id };
	struct mesh_dns_resolver resolver = { .address = packet->destination };
	struct mesh_address loopback = {};

	if (packet->is_v6)
		loopback.bytes[15] = 1;
	else
		map_v4(&loopback, bpf_htonl(INADDR_LOOPBACK));
	if (bpf_map_update_elem(&dns_questions, &question, &resolver, BPF_ANY) ||
	    rewrite(skb, packet, 0, &loopback, bpf_htons(ZTUNNEL_DNS_PORT)))
		return drop(MESH_DROP_NOT_REWRITTEN);
	count(MESH_DNS_QUERY);
	return PASS;
}

SEC("tc")
int lo_egress(struct __sk_buff *skb)
{
	const struct mesh_settings *settings = mesh_settings();
	struct packet packet;
	__be16 id;

	read_packet(skb, &packet);
	if (packet.kind != PACKET_UDP || !settings || !(settings->flags & MESH_DNS))
		return PASS;
	if (load(skb, packet.transport + UDP_HEADER_BYTES, &id, sizeof(id)))
		return PASS; // no DNS message has less
	if (packet.source_port == bpf_htons(ZTUNNEL_DNS_PORT))
		return answer(skb, &packet, id);
	if (packet.destination_port != bpf_htons(DNS_PORT) || is_marked(settings, skb) || is_loopback(&packet))
		return PASS;
	return query(skb, &packet, id);
}
