/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/discreet.h"

#include <stdlib.h>
#include <string.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { DIGITS_MAX = 9 };

/* The settings of GODEBUG that Go 1.19 to 1.27 know, sorted. Others may be anything. */
/* clang-format off */
static const char *const settings[] = {
	"adaptivestackstart",
	"allocfreetrace",
	"allowmultiplevcs",
	"asyncpreemptoff",
	"asynctimerchan",
	"cgocheck",
	"checkfinalizers",
	"clobberfree",
	"containermaxprocs",
	"cryptocustomrand",
	"dataindependenttiming",
	"decoratemappings",
	"disablethp",
	"dontfreezetheworld",
	"efence",
	"embedfollowsymlinks",
	"execerrdot",
	"fips140",
	"fips140ems",
	"gccheckmark",
	"gcpacertrace",
	"gcshrinkstackoff",
	"gcstoptheworld",
	"gctrace",
	"gocachehash",
	"gocachetest",
	"gocacheverify",
	"gotestjsonbuildtext",
	"gotypesalias",
	"harddecommit",
	"htmlmetacontenturlescape",
	"http2client",
	"http2debug",
	"http2server",
	"httpcookiemaxnum",
	"httplaxcontentlength",
	"httpmuxgo121",
	"httpservecontentkeepheaders",
	"httpservecontentmaxranges",
	"inittrace",
	"installgoroot",
	"invalidptr",
	"jstmpllitinterp",
	"madvdontneed",
	"multipartfiles",
	"multipartmaxheaders",
	"multipartmaxparts",
	"multipathtcp",
	"netdns",
	"netedns0",
	"panicnil",
	"profstackdepth",
	"randautoseed",
	"randseednop",
	"rsa1024min",
	"runtimecontentionstacks",
	"sbrk",
	"scavtrace",
	"scheddetail",
	"schedtrace",
	"tarinsecurepath",
	"tls10server",
	"tls3des",
	"tlskyber",
	"tlsmaxrsasize",
	"tlsmlkem",
	"tlsrsakex",
	"tlssecpmlkem",
	"tlssha1",
	"tlsunsafeekm",
	"traceadvanceperiod",
	"traceallocfree",
	"tracebackancestors",
	"tracebacklabels",
	"tracecheckstackownership",
	"tracefpunwindoff",
	"updatemaxprocs",
	"urlmaxqueryparams",
	"urlstrictcolons",
	"winreadlinkvolume",
	"winsymlink",
	"x509keypairleaf",
	"x509negativeserial",
	"x509rsacrt",
	"x509sha1",
	"x509sha256skid",
	"x509sslcertoverrideplatform",
	"x509usefallbackroots",
	"x509usepolicies",
	"zipinsecurepath",
};
static const char *const words[] = {
	"", "all", "cgo", "go", "off", "on", "only",
};
/* clang-format on */

static int by_text(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

static bool known_setting(const struct account_setting *s)
{
	size_t digits = strspn(s->value, "0123456789");
	bool number = digits && digits <= DIGITS_MAX && !s->value[digits];
	return bsearch(s->name, settings, LEN(settings), sizeof(settings[0]), by_text) &&
	       (number || bsearch(s->value, words, LEN(words), sizeof(words[0]), by_text));
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* The mapped file with the name of this library, or NULL. */
static const char *mapped_as(const struct account *a, const char *library)
{
	for (size_t i = 0; i < a->maps.n; i++) {
		if (strcmp(last_part(a->maps.v[i].name), last_part(library)) == 0)
			return a->maps.v[i].name;
	}
	return NULL;
}

static bool has_labels(const struct snapshot *s)
{
	for (size_t i = 0; i < s->heap.profile.labels.n; i++) {
		if (s->heap.profile.labels.v[i].text)
			return true;
	}
	return s->goroutines.labels.n > 0;
}

static void add_note(struct discreet *d, unsigned parts, const char *text)
{
	*vec_push(&d->notes) = text;
	*vec_push(&d->note_parts) = parts;
}

void discreet_init(struct discreet *d, const struct snapshot *s)
{
	const struct account *a = &s->account;
	*d = (struct discreet){ .s = *s };
	for (size_t i = 0; i < s->notes.n; i++)
		add_note(d, s->note_parts.v[i], s->notes.v[i]);
	for (size_t i = 0; i < a->go.godebug.n; i++) {
		if (known_setting(&a->go.godebug.v[i]))
			*vec_push(&d->godebug) = a->go.godebug.v[i];
	}
	for (size_t i = 0; i < a->integrity.preloaded.n; i++) {
		const char *file = mapped_as(a, a->integrity.preloaded.v[i]);
		if (file)
			*vec_push(&d->preloaded) = file;
	}
	if (d->godebug.n < a->go.godebug.n)
		add_note(d, SNAPSHOT_ACCOUNT, "settings of GODEBUG that Go does not know are not kept in a snapshot");
	if (has_labels(s))
		add_note(d, SNAPSHOT_HEAP | SNAPSHOT_GOROUTINES,
			 "labels are not kept in a snapshot: they are strings of the process's heap");
	d->s.account.go.godebug = d->godebug;
	d->s.account.integrity.preloaded = d->preloaded;
	d->s.notes = d->notes;
	d->s.note_parts = d->note_parts;
}

void discreet_deinit(struct discreet *d)
{
	vec_deinit(&d->godebug);
	vec_deinit(&d->preloaded);
	vec_deinit(&d->notes);
	vec_deinit(&d->note_parts);
}
