// Ingress of lo: what the pod sends elsewhere comes by here, since routing delivers it locally. Each new connection goes to
// ztunnel's outbound listener; ztunnel sees the real destination as the local address.
#include "include/steer.h"

SEC("tc")
int lo_ingress(struct __sk_buff *skb)
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
	if (packet.kind != PACKET_TCP || is_loopback(&packet) || is_own(&packet.destination))
		return PASS;
	if (!settings)
		return drop(MESH_DROP_NOT_READY);
	if (belongs_to_connection(skb, &packet))
		return PASS;
	if (packet.destination_port == bpf_htons(DNS_PORT) && (settings->flags & MESH_DNS))
		return steer(skb, &packet, ZTUNNEL_DNS_PORT, MESH_DNS_STREAM);
	return steer(skb, &packet, ZTUNNEL_OUTBOUND_PORT, MESH_OUTBOUND);
}
