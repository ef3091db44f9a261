/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/sweep.h"

struct err *goheap_sweep_run(struct goheap_sweep *s)
{
	return err_new(ERR_UNSUPPORTED, "sweep: not built yet");
}
