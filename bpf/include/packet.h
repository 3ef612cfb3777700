// What the programs need to know of a packet. Everything is read relative to the network header and by copy, so that link
// layers of any length and packets in pieces are alike.
#pragma once
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "mesh_layout.h"

#define MAX_EXTENSION_HEADERS 8
#define IP_MORE_FRAGMENTS_OR_OFFSET 0x3fff
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_FRAGMENT_OFFSET_OR_MORE 0xfff9
#define TCP_FLAG_BYTE 13
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_ACK 0x10

enum packet_kind {
	PACKET_OTHER, // neither TCP nor UDP, or not IP: nothing that a mesh looks at
	PACKET_TCP,
	PACKET_UDP,
	PACKET_FRAGMENT, // of TCP or UDP: reassembly would forget where it was steered
	PACKET_TRUNCATED, // says TCP or UDP, and has no whole header of it
	PACKET_HEADERS, // more extension headers than are followed
	PACKET_VLAN, // a tag within the packet, which is what the kernel took off no device for
};

struct packet {
	enum packet_kind kind;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 is_v6;
	__u32 transport; // offset from the network header
	struct mesh_address source;
	struct mesh_address destination;
	__be16 source_port;
	__be16 destination_port;
};

static __always_inline int load(struct __sk_buff *skb, __u32 offset, void *to, __u32 length)
{
	return bpf_skb_load_bytes_relative(skb, offset, to, length, BPF_HDR_START_NET);
}

static __always_inline void map_v4(struct mesh_address *to, const __be32 from)
{
	__builtin_memset(to, 0, 10);
	to->bytes[10] = 0xff;
	to->bytes[11] = 0xff;
	__builtin_memcpy(to->bytes + 12, &from, 4);
}

static __always_inline __be32 unmap_v4(const struct mesh_address *from)
{
	__be32 address;

	__builtin_memcpy(&address, from->bytes + 12, 4);
	return address;
}

static __always_inline int is_same(const struct mesh_address *one, const struct mesh_address *other)
{
	const __u32 *a = (const void *)one, *b = (const void *)other;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

// The first four bytes of TCP and UDP are alike.
static __always_inline enum packet_kind read_transport(struct __sk_buff *skb, struct packet *packet)
{
	__be16 ports[2];
	__u32 length = packet->protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	__u8 last;

	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return PACKET_OTHER;
	if (load(skb, packet->transport + length - 1, &last, 1) || load(skb, packet->transport, ports, sizeof(ports)))
		return PACKET_TRUNCATED;
	packet->source_port = ports[0];
	packet->destination_port = ports[1];
	if (packet->protocol == IPPROTO_UDP)
		return PACKET_UDP;
	if (load(skb, packet->transport + TCP_FLAG_BYTE, &packet->tcp_flags, 1))
		return PACKET_TRUNCATED;
	return PACKET_TCP;
}

static __always_inline enum packet_kind read_v4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr header;

	if (load(skb, 0, &header, sizeof(header)) || header.version != 4 || header.ihl < 5)
		return PACKET_TRUNCATED;
	map_v4(&packet->source, header.saddr);
	map_v4(&packet->destination, header.daddr);
	packet->protocol = header.protocol;
	packet->transport = header.ihl * 4;
	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return PACKET_OTHER;
	if (header.frag_off & bpf_htons(IP_MORE_FRAGMENTS_OR_OFFSET))
		return PACKET_FRAGMENT;
	return read_transport(skb, packet);
}

// `next` is what follows the fixed header. A fragment is followed to what it is a fragment of, where that can be seen.
static __always_inline enum packet_kind walk_extensions(struct __sk_buff *skb, struct packet *packet, __u8 next)
{
	__u32 offset = sizeof(struct ipv6hdr);
	int is_fragment = 0;

	for (int i = 0; i <= MAX_EXTENSION_HEADERS; i++) {
		__u8 header[4];
		__be16 place;

		if (next == IPPROTO_TCP || next == IPPROTO_UDP) {
			packet->protocol = next;
			packet->transport = offset;
			return is_fragment ? PACKET_FRAGMENT : read_transport(skb, packet);
		}
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT &&
		    next != IPPROTO_AH && next != IPPROTO_MH)
			return PACKET_OTHER;
		if (i == MAX_EXTENSION_HEADERS)
			break;
		if (load(skb, offset, header, sizeof(header)))
			return PACKET_TRUNCATED;
		if (next == IPPROTO_FRAGMENT) {
			__builtin_memcpy(&place, header + 2, 2);
			if (place & bpf_htons(IPV6_FRAGMENT_OFFSET_OR_MORE))
				is_fragment = 1;
			// The middle of something, which is worth nothing without its first fragment; and that one is judged.
			if (place & bpf_htons(IPV6_FRAGMENT_OFFSET)) {
				packet->protocol = header[0];
				return header[0] == IPPROTO_TCP ? PACKET_FRAGMENT : PACKET_OTHER;
			}
			offset += 8;
		} else if (next == IPPROTO_AH) {
			offset += (header[1] + 2) * 4;
		} else {
			offset += (header[1] + 1) * 8;
		}
		next = header[0];
	}
	return PACKET_HEADERS;
}

static __always_inline enum packet_kind read_v6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr header;

	if (load(skb, 0, &header, sizeof(header)) || header.version != 6)
		return PACKET_TRUNCATED;
	packet->is_v6 = 1;
	__builtin_memcpy(&packet->source, &header.saddr, 16);
	__builtin_memcpy(&packet->destination, &header.daddr, 16);
	return walk_extensions(skb, packet, header.nexthdr);
}

static __always_inline void read_packet(struct __sk_buff *skb, struct packet *packet)
{
	__builtin_memset(packet, 0, sizeof(*packet));
	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		packet->kind = read_v4(skb, packet);
		return;
	case bpf_htons(ETH_P_IPV6):
		packet->kind = read_v6(skb, packet);
		return;
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		packet->kind = PACKET_VLAN;
		return;
	default:
		packet->kind = PACKET_OTHER;
	}
}

// What cannot be judged, as the cause to drop it for; MESH_CAUSES when it can be.
static __always_inline enum mesh_cause why_unreadable(const struct packet *packet)
{
	switch (packet->kind) {
	case PACKET_FRAGMENT:
		return packet->protocol == IPPROTO_UDP ? MESH_CAUSES : MESH_DROP_FRAGMENT;
	case PACKET_TRUNCATED:
		return MESH_DROP_TRUNCATED;
	case PACKET_HEADERS:
		return MESH_DROP_HEADERS;
	case PACKET_VLAN:
		return MESH_DROP_VLAN;
	default:
		return MESH_CAUSES;
	}
}

static __always_inline int is_loopback(const struct packet *packet)
{
	const __u32 *words = (const void *)&packet->destination;

	if (!packet->is_v6)
		return packet->destination.bytes[12] == 127;
	return !words[0] && !words[1] && !words[2] && words[3] == bpf_htonl(1);
}

static __always_inline int is_probe(const struct mesh_settings *settings, const struct mesh_address *address)
{
	return is_same(address, &settings->probe_v4) || is_same(address, &settings->probe_v6);
}

static __always_inline int is_marked(const struct mesh_settings *settings, const struct __sk_buff *skb)
{
	return (skb->mark & settings->mask) == settings->mark;
}
