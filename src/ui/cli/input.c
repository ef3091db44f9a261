/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/cli/input.h"

#include <string.h>

#include "ui/cli/progress.h"
#include "ui/cli/status.h"

bool input_is_file(const char *operand)
{
	return operand[strspn(operand, "0123456789")] != 0;
}

struct err *input_kind(const char *path, enum codec_kind *ret)
{
	return err_new(ERR_UNSUPPORTED, "not built yet");
}

static struct err *read_live(int pid, const struct evidence_options *want, struct snapshot *ret, int *status)
{
	struct evidence_options opt = *want;
	opt.account.interrupted = &progress_interrupted;
	opt.account.progress = progress_step;
	progress_start();
	struct err *err = engine_evidence(pid, &opt, ret);
	bool interrupted = progress_interrupted;
	progress_end();
	if (interrupted)
		*status = STATUS_INTERRUPTED;
	return err;
}

struct err *input_operand(const char *operand, const struct evidence_options *want, struct snapshot *ret, int *status)
{
	snapshot_init(ret);
	return err_new(ERR_UNSUPPORTED, "not built yet");
}

struct err *input_one(const struct arg_vec *operands, const struct target_name *name,
		      const struct evidence_options *want, struct snapshot *ret, int *status)
{
	int pid = 0;
	snapshot_init(ret);
	if (operands->n == 1 && input_is_file(operands->v[0]))
		return input_operand(operands->v[0], want, ret, status);
	TRY(target_one(want->account.procfs, operands, name, &pid));
	return read_live(pid, want, ret, status);
}
