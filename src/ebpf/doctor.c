/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/ebpf.h"

#include <stdio.h>
#include <unistd.h>

#include "ebpf/session.h"

static struct ebpf_row *add(struct ebpf_rows *rows, const char *check, bool ok, const char *found, const char *remedy)
{
	struct ebpf_row *row = &rows->v[rows->n++];
	*row = (struct ebpf_row){ .check = check, .ok = ok, .remedy = ok ? NULL : remedy };
	snprintf(row->found, sizeof(row->found), "%s", found);
	return row;
}

/* A probe at a place where no code is: whether one is allowed, and none is made. */
static void check_allocators(struct ebpf *e, struct ebpf_rows *rows)
{
	const struct ebpf_probe nowhere = {
		.pid = getpid(), .path = "/proc/self/exe", .kind = EBPF_FREE, .arg_addr = EBPF_REG_DI
	};
	struct err *err AUTO(err) = ebpf_probes_set(e, &nowhere, 1);
	if (!err)
		err = ebpf_probes_on(e);
	if (err)
		add(rows, "allocators", false, err_text(err),
		    "`record` sees mappings and page faults without, but not malloc");
	else
		add(rows, "allocators", true,
		    e->multi ? "many probes by one link"
			     : "one probe at a time, as this kernel is older than 6.10: on and off take longer",
		    NULL);
}

static void check_session(struct ebpf *e, struct ebpf_rows *rows)
{
	struct err *err AUTO(err) = ebpf_attach(e);
	if (err)
		add(rows, "system calls", false, err_text(err), "all but `record` works without");
	else
		add(rows, "system calls", e->single,
		    e->single ? "hooked one by one"
			      : "hooked where all pass: each call on this machine takes longer meanwhile",
		    "CAP_SYS_ADMIN, or: mount -t tracefs tracefs /sys/kernel/tracing, and CAP_DAC_READ_SEARCH");
	check_allocators(e, rows);
}

void ebpf_doctor(struct ebpf_rows *ret)
{
	struct ebpf *e = NULL;
	*ret = (struct ebpf_rows){ 0 };
	bool btf = access("/sys/kernel/btf/vmlinux", F_OK) == 0;
	add(ret, "btf", btf, btf ? "/sys/kernel/btf/vmlinux" : "none",
	    "a kernel with CONFIG_DEBUG_INFO_BTF (in a container: /sys of the host); all but `record` works without");
	uint64_t start = ebpf_now();
	struct err *err AUTO(err) =
		ebpf_open(&(struct ebpf_options){ EBPF_WANT_MAP | EBPF_WANT_FAULT | EBPF_WANT_ALLOC, 1 }, &e);
	if (err) {
		add(ret, "bpf programs", false, err_text(err), "all but `record` works without");
		return;
	}
	struct ebpf_row *row = add(ret, "bpf programs", true, "", NULL);
	snprintf(row->found, sizeof(row->found), "loaded in %d ms", (int)((ebpf_now() - start) / 1000000));
	check_session(e, ret);
	ebpf_close(e);
}
