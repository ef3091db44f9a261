/* SPDX-License-Identifier: Apache-2.0 */
#include "alarm/ring.h"

#include "base/num.h"

const struct ring_point *ring_at(const struct ring *r, size_t i)
{
	return &r->p[(r->first + i) % RING_POINTS];
}

bool ring_add(struct ring *r, double window, const struct ring_point *p)
{
	if (r->n && p->t - ring_at(r, r->n - 1)->t < window / RING_POINTS)
		return false;
	if (r->n == RING_POINTS)
		r->first = (r->first + 1) % RING_POINTS;
	else
		r->n++;
	r->p[(r->first + r->n - 1) % RING_POINTS] = *p;
	return true;
}

size_t ring_since(const struct ring *r, double now, double window)
{
	size_t i = 0;
	while (i < r->n && ring_at(r, i)->t < now - window)
		i++;
	return i;
}

double ring_median(const struct ring *r, size_t from, size_t to, unsigned k)
{
	double v[RING_POINTS];
	size_t n = 0;
	for (size_t i = from; i < to; i++)
		v[n++] = ring_at(r, i)->v[k];
	return num_median(v, n);
}
