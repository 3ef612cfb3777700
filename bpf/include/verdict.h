// How a program ends. Passing is "no opinion", so that other programs on the device are asked as well.
#pragma once
#include <linux/pkt_cls.h>
#include "mesh_maps.h"

#define PASS TC_ACT_UNSPEC
#define STEERED TC_ACT_OK

static __always_inline int drop(enum mesh_cause cause)
{
	count(cause);
	return TC_ACT_SHOT;
}

static __always_inline const struct mesh_settings *mesh_settings(void)
{
	__u32 zero = 0;
	const struct mesh_settings *found = bpf_map_lookup_elem(&settings, &zero);

	return found && (found->flags & MESH_READY) ? found : 0;
}
