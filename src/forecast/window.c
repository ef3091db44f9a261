/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/window.h"

#include <math.h>
#include <string.h>

static const double NARROWEST = 0.125, WIDEST = 1; /* seconds */

void window_clear(struct window *w)
{
	*w = (struct window){ .width = NARROWEST };
}

static void halve(struct window *w)
{
	for (size_t i = 0; i + 1 < w->n; i += 2) {
		struct window_point *to = &w->p[i / 2], a = w->p[i], b = w->p[i + 1];
		*to = b;
		to->lo = fminf(a.lo, b.lo);
		to->hi = fmaxf(a.hi, b.hi);
		to->heap = fmaxf(a.heap, b.heap); /* of a number and NAN: the number */
	}
	if (w->n % 2)
		w->p[w->n / 2] = w->p[w->n - 1];
	w->n = (w->n + 1) / 2;
	w->width *= 2;
}

static void forget_first(struct window *w, size_t n)
{
	memmove(w->p, w->p + n, (w->n - n) * sizeof(*w->p));
	w->n -= n;
	size_t old = 0;
	while (old < w->n_marks && w->n && w->marks[old].t < w->p[0].t)
		old++;
	memmove(w->marks, w->marks + old, (w->n_marks - old) * sizeof(*w->marks));
	w->n_marks -= old;
}

static void make_room(struct window *w, double t)
{
	size_t old = 0;
	while (old < w->n && w->p[old].t < t - WINDOW_SECONDS)
		old++;
	if (old)
		forget_first(w, old);
	if (w->n < WINDOW_POINTS)
		return;
	if (w->width < WIDEST)
		halve(w);
	else
		forget_first(w, 1);
}

bool window_add(struct window *w, double t, double value, double heap)
{
	float v = (float)value, h = (float)heap;
	struct window_point *p = w->n ? &w->p[w->n - 1] : NULL;
	/* the grid is that of the time itself, so that points do not drift with the samples */
	if (p && floor(p->t / w->width) >= floor(t / w->width)) {
		*p = (struct window_point){ t, fminf(p->lo, v), fmaxf(p->hi, v), v, fmaxf(p->heap, h) };
		return false;
	}
	make_room(w, t);
	w->p[w->n++] = (struct window_point){ t, v, v, v, h };
	return true;
}

void window_mark(struct window *w, double t, double marked, double pace)
{
	if (!w->n)
		return;
	if (w->n_marks == WINDOW_MARKS) { /* every second one of the older half stays */
		size_t to = 0;
		for (size_t i = 0; i < WINDOW_MARKS; i++) {
			if (i >= WINDOW_MARKS / 2 || i % 2 == 0)
				w->marks[to++] = w->marks[i];
		}
		w->n_marks = to;
	}
	w->marks[w->n_marks++] = (struct window_mark){ t, (float)marked, (float)pace };
}
