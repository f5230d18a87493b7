// SPDX-License-Identifier: MIT
/*
 * Fact: xen_version says which Xen this is and what it can do.
 * Source: xen/include/public/version.h, features.h; do_xen_version() in xen/common/kernel.c.
 *   Features: a PVH guest of Xen 4.17.7 was seen with 0x12305
 * Expect: version 4.17, an extra version, capabilities with hvm-3.0-x86_64, page size 4096, the
 *   features of a PVH guest, an empty second feature word's -EINVAL.
 * run:
 */
#include "kern/hypercall.h"

/* Bits that 4.17 has or could have; later ones are free to appear. */
#define FEATURES_417 0x3ffffu

static bool contains(const char *text, const char *word)
{
	for (size_t n = strlen(word); *text; text++) {
		if (!memcmp(text, word, n))
			return true;
	}
	return false;
}

void test_main(void)
{
	static char text[XEN_CAPABILITIES_INFO_LEN + 64];
	static struct xen_compile_info compile;
	struct ABI(xen_platform_parameters) params = { 0 };
	struct xen_feature_info f = { .submap_idx = 0 };

	CHECK_EQ(xen_version(XENVER_version, NULL), 4 << 16 | 17);

	memset(text, 'x', sizeof(text));
	CHECK_EQ(xen_version(XENVER_extraversion, text), 0);
	CHECK(strlen(text) > 0 && strlen(text) < XEN_EXTRAVERSION_LEN);
	CHECK_EQ(text[XEN_EXTRAVERSION_LEN], 'x');

	memset(text, 'x', sizeof(text));
	CHECK_EQ(xen_version(XENVER_capabilities, text), 0);
	CHECK(contains(text, "hvm-3.0-x86_64"));
	CHECK_EQ(text[XEN_CAPABILITIES_INFO_LEN], 'x');

	memset(text, 'x', sizeof(text));
	CHECK_EQ(xen_version(XENVER_changeset, text), 0);
	CHECK(strlen(text) < XEN_CHANGESET_INFO_LEN);
	CHECK_EQ(xen_version(XENVER_commandline, text), 0);
	CHECK_EQ(xen_version(XENVER_compile_info, &compile), 0);
	CHECK(strlen(compile.compiler) < sizeof(compile.compiler));
	CHECK_EQ(xen_version(XENVER_platform_parameters, &params), 0);
	CHECK_EQ(xen_version(XENVER_pagesize, NULL), PAGE_SIZE);

	memset(text, 0, sizeof(text));
	CHECK_EQ(xen_version(XENVER_guest_handle, text), 0);
	CHECK(memcmp(text, text + 16, 16));

	CHECK_EQ(xen_version(XENVER_get_features, &f), 0);
	CHECK_EQ(f.submap & FEATURES_417, 0x12305);
	f.submap_idx = 99;
	CHECK_EQ(xen_version(XENVER_get_features, &f), -EINVAL);
}
