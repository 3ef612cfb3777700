// Egress of the pod's interface, the guard: whatever became of the routing, no connection of the pod's own is opened past
// ztunnel, whose sockets carry the mark.
#include "include/packet.h"
#include "include/verdict.h"

SEC("tc")
int uplink_egress(struct __sk_buff *skb)
{
	const struct mesh_settings *settings = mesh_settings();
	enum mesh_cause unreadable;
	struct packet packet;

	read_packet(skb, &packet);
	if (packet.kind == PACKET_OTHER || packet.kind == PACKET_UDP)
		return PASS;
	if (settings && is_marked(settings, skb))
		return PASS;
	unreadable = why_unreadable(&packet);
	if (unreadable != MESH_CAUSES)
		return drop(unreadable);
	if (packet.kind != PACKET_TCP)
		return PASS;
	if ((packet.tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) != TCP_FLAG_SYN)
		return PASS;
	if (!settings)
		return drop(MESH_DROP_NOT_READY);
	return is_probe(settings, &packet.destination) ? PASS : drop(MESH_DROP_GUARD);
}
