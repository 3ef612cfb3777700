// Ingress of the pod's interface: what others open to the pod goes to ztunnel's inbound listener, but for HBONE, which
// has one of its own, and the node's probes.
#include "include/steer.h"

SEC("tc")
int uplink_ingress(struct __sk_buff *skb)
{
	const struct mesh_settings *settings = mesh_settings();
	enum mesh_cause unreadable;
	struct packet packet;

	read_packet(skb, &packet);
	if (packet.kind == PACKET_OTHER || packet.kind == PACKET_UDP)
		return PASS;
	unreadable = why_unreadable(&packet);
	if (packet.kind == PACKET_TCP || packet.kind == PACKET_FRAGMENT) {
		if (unreadable == MESH_CAUSES && packet.kind == PACKET_FRAGMENT)
			return PASS;
		if (!is_own(&packet.destination))
			return PASS;
		if (!settings)
			return drop(MESH_DROP_NOT_READY);
		if (is_probe(settings, &packet.source))
			return PASS;
	}
	if (unreadable != MESH_CAUSES)
		return drop(unreadable);
	if (packet.destination_port == bpf_htons(ZTUNNEL_HBONE_PORT) || belongs_to_connection(skb, &packet))
		return PASS;
	return steer(skb, &packet, ZTUNNEL_INBOUND_PORT, MESH_INBOUND);
}
