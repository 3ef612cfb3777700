// Ingress of an interface behind which a machine of the pod's own is (a VM's tap, a nested bridge): its connections are the
// pod's outbound ones.
#include "include/steer.h"

SEC("tc")
int virtual_ingress(struct __sk_buff *skb)
{
	const struct mesh_settings *settings = mesh_settings();
	enum mesh_cause unreadable;
	struct packet packet;

	read_packet(skb, &packet);
	if (packet.kind == PACKET_OTHER || packet.kind == PACKET_UDP)
		return PASS;
	unreadable = why_unreadable(&packet);
	if (unreadable != MESH_CAUSES)
		return drop(unreadable);
	if (packet.kind != PACKET_TCP || is_own(&packet.destination))
		return PASS;
	if (!settings)
		return drop(MESH_DROP_NOT_READY);
	if (belongs_to_connection(skb, &packet))
		return PASS;
	return steer(skb, &packet, ZTUNNEL_OUTBOUND_PORT, MESH_OUTBOUND);
}
