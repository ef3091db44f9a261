/* SPDX-License-Identifier: Apache-2.0 */
#include "jvm/container.h"

#include <string.h>

/* Extending classes before those they extend. java.util.HashSet and the like keep a map inside. */
const struct jvm_container jvm_containers[] = {
	{ 0 },
	{ "java.util.HashMap", "size", "table", true, 75 },
	{ "java.util.Hashtable", "count", "table", true, 75 },
	{ "java.util.WeakHashMap", "size", "table", true, 75 },
	{ "java.util.IdentityHashMap", "size", "table", true, 67 },
	{ "java.util.concurrent.ConcurrentHashMap", NULL, "table", true, 75 },
	{ "java.util.ArrayList", "size", "elementData", false, 100 },
	{ "java.util.Vector", "elementCount", "elementData", false, 100 },
	{ "java.util.PriorityQueue", "size", "queue", false, 100 },
	{ "java.util.concurrent.PriorityBlockingQueue", "size", "queue", false, 100 },
	{ "java.lang.ThreadLocal$ThreadLocalMap", "size", "table", true, 67 },
};
const uint32_t jvm_container_n = sizeof(jvm_containers) / sizeof(jvm_containers[0]);

/* What stands between a container and what was put into it: parts, and what they are parts of, by container. */
static const struct {
	const char *class;
	unsigned container;
	bool whole;
} parts[] = {
	{ "java.util.HashMap$Node[]", 0, true },
	{ "java.util.HashMap$Entry[]", 0, true },
	{ "java.util.LinkedHashMap", 0, true },
	{ "java.util.HashMap$Node", 0, false },
	{ "java.util.HashMap$TreeNode", 0, false },
	{ "java.util.HashMap$Entry", 0, false },
	{ "java.util.LinkedHashMap$Entry", 0, false },
	{ "java.util.Hashtable$Entry[]", 1, true },
	{ "java.util.Hashtable$Entry", 1, false },
	{ "java.util.WeakHashMap$Entry[]", 2, true },
	{ "java.util.WeakHashMap$Entry", 2, false },
	{ "java.lang.ThreadLocal$ThreadLocalMap$Entry[]", 3, true },
	{ "java.lang.ThreadLocal$ThreadLocalMap$Entry", 3, false },
	{ "java.util.concurrent.ConcurrentHashMap$Node[]", 4, true },
	{ "java.util.concurrent.ConcurrentHashMap$Node", 4, false },
	{ "java.util.concurrent.ConcurrentHashMap$TreeBin", 4, false },
	{ "java.util.concurrent.ConcurrentHashMap$TreeNode", 4, false },
	{ "java.util.LinkedList", 5, true },
	{ "java.util.LinkedList$Node", 5, false },
	{ "java.util.TreeMap", 6, true },
	{ "java.util.TreeMap$Entry", 6, false },
};

struct jvm_part jvm_part_of(const char *class)
{
	struct jvm_part p = { 0 };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(parts[i].class, class) == 0)
			*(parts[i].whole ? &p.whole : &p.part) |= (unsigned char)(1u << parts[i].container);
	}
	return p;
}
