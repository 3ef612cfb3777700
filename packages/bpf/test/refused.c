// A program that no kernel takes: it reads a packet without a look at where it ends.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int refused(struct __sk_buff *skb)
{
	return *(unsigned char *)(long)skb->data;
}

char LICENSE[] SEC("license") = "Apache-2.0";
