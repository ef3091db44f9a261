/* SPDX-License-Identifier: Apache-2.0 */
#include "record/duty.h"

#include "base/hash.h"

enum { PHASES = 16 }; /* wanted in the window: bounds are drawn from how much they differ */

#define MS INT64_C(1000000)
#define PERIOD_MIN (200 * MS) /* attaching and detaching cost milliseconds too */
#define PERIOD_MAX (2000 * MS)
#define PHASE_MIN (2 * MS)

static int64_t period(const struct record_duty *d)
{
	int64_t p = d->window / PHASES;
	if (p < PERIOD_MIN)
		p = PERIOD_MIN;
	return p < PERIOD_MAX ? p : PERIOD_MAX;
}

/* What is earned in a period: what a phase may spend. */
static double allowance(const struct record_duty *d)
{
	double rate = d->rate > RECORD_DUTY_IDLE ? d->rate : RECORD_DUTY_IDLE;
	return d->budget * rate * (double)period(d);
}

/* Between 0.5 and 1.5: so that nothing in the target keeps step with the phases. */
static double jitter(struct record_duty *d)
{
	d->random = hash_u64(d->random + 1);
	return 0.5 + (double)(d->random >> 11) / (double)(UINT64_C(1) << 53);
}

void record_duty_begin(struct record_duty *d, const struct record_duty_step *s)
{
	d->on = true;
	d->last_time = d->phase_began = s->now;
	d->last_cpu = s->cpu_ns;
	d->last_spent = s->spent_ns;
	d->rate = 1; /* until it is known */
	d->account = allowance(d);
	d->rate = RECORD_DUTY_IDLE;
}

static void earn(struct record_duty *d, const struct record_duty_step *s)
{
	int64_t passed = s->now - d->last_time;
	if (passed <= 0)
		return;
	double used = s->cpu_ns > d->last_cpu ? (double)(s->cpu_ns - d->last_cpu) : 0;
	double rate = used / (double)passed, weight = (double)passed / (double)(passed + 500 * MS);
	d->rate += (rate - d->rate) * weight;
	double earned = used > RECORD_DUTY_IDLE * (double)passed ? used : RECORD_DUTY_IDLE * (double)passed;
	double spent = s->spent_ns > d->last_spent ? (double)(s->spent_ns - d->last_spent) : 0;
	d->account += d->budget * earned - spent;
	d->last_time = s->now;
	d->last_cpu = s->cpu_ns;
	d->last_spent = s->spent_ns;
}

bool record_duty_want(struct record_duty *d, const struct record_duty_step *s)
{
	earn(d, s);
	if (d->on && d->account < 0 && s->now - d->phase_began >= PHASE_MIN) {
		d->on = false;
		d->share = jitter(d);
	} else if (!d->on && d->account >= d->share * allowance(d)) {
		d->on = true;
		d->phase_began = s->now;
	}
	return d->on;
}
