/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * forecast/heap - what garbage collections say of a growth, and how a heap goes on from one to the next.
 *
 * Pure. What a collection kept is a point of the line of live bytes; what is allocated in between fills memory up to the heap
 * goal, and only then the next collection shows how much of it was garbage. So the limit is reached in the cycle whose goal
 * does not fit below it any more, when allocation has come so far: the cycles until then are gone through one by one.
 * Source: collections, bytes kept, bytes allocated now and the goal of Go's pacer, all four as the looks saw them.
 */

#include "forecast/shape.h"
#include "forecast/window.h"

/* What collections say of a growth. */
enum heap_kept {
	HEAP_UNKNOWN,	/* no figures, or it is not the heap that grows */
	HEAP_UNDECIDED, /* the next collection will tell, and comes before the limit */
	HEAP_LITTLE,	/* most of what was allocated was garbage */
	HEAP_MOST,	/* what was allocated stayed */
	HEAP_FULL,	/* the next one comes too late */
};

struct heap_now {
	double alloc, goal, marked; /* bytes; NAN unknown */
	double ceiling;		    /* no goal is above it, by GOMEMLIMIT; INFINITY: none */
	double pace;		    /* bytes allocated per second; NAN unknown */
	double most;		    /* the most that objects took, as far as is known; NAN unknown */
	double held;	 /* the highest goal of late: a heap may keep so much, whatever is live in it; 0 unknown */
	double over;	 /* what the value is above objects when there is no room left between them; NAN unknown */
	double over_now; /* the least that it was above them since the last collection; NAN unknown */
	double over_at, now_at; /* of so many objects; NAN unknown */
	double creep;	  /* of what it is above them, for each byte of objects more: fragments, tables; 0 unknown */
	double stayed[2]; /* shares of what was allocated that the last two collections kept, at least; NAN unknown */
	double collected; /* when a collection ended, as the first look after it saw it; NAN unknown */
	bool rests;	  /* it is filled in lumps, and the next one is not late */
	double trigger;	  /* as far from what was kept to the goal a collection begins: a share; NAN unknown */
};

struct heap_outlook {
	enum heap_kept kept;
	unsigned collections; /* in the growth */
	struct shape live;    /* of what collections kept */
	double eta;	      /* seconds; NAN never like that */
	double room; /* bytes that may be allocated until the limit, where the next collection comes too late */
};

void heap_outlook(const struct window *w, const struct heap_now *h, double limit, const struct shape *of_value,
		  struct heap_outlook *ret);
