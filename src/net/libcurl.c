/* SPDX-License-Identifier: Apache-2.0 */
#include "net/libcurl.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static const char soname[] = "libcurl.so.4";

static const struct {
	const char *name;
	size_t offset;
} calls[] = {
#define LIBCURL_ROW(name) { "curl_" #name, offsetof(struct libcurl, name) },
	LIBCURL_CALLS(LIBCURL_ROW)
#undef LIBCURL_ROW
};

struct err *libcurl_load(struct libcurl *ret)
{
	/* It is not unloaded: what it has set up for the process would be lost, and its libraries do not expect it. */
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!library)
		return err_new(ERR_UNSUPPORTED, "HTTP needs libcurl: %s", dlerror());
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		void *at = dlsym(library, calls[i].name);
		if (!at)
			return err_new(ERR_UNSUPPORTED, "%s is too old: it has no %s", soname, calls[i].name);
		memcpy((char *)ret + calls[i].offset, &at, sizeof(at));
	}
	return NULL;
}
