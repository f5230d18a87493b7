// SPDX-License-Identifier: MIT
/*
 * XXH3, 128 bits, with a random secret per cache entry.
 *
 * The cache must not mistake one kernel for another and must notice a damaged entry, within
 * milliseconds for 50 MB. XXH3 runs at memory speed with plain SSE2; SHA-256 needs ten times as
 * long where the CPU has no SHA instructions, and AF_ALG is missing from many kernels. XXH3 is no
 * cryptographic hash: somebody who may hand in kernels could build one with the hash of another
 * guest's. That takes the secret, which lies in a directory that only we can read and differs from
 * entry to entry. The header-only form saves loading another library at every start.
 */
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "impl.h"

_Static_assert(HASH_KEY >= XXH3_SECRET_SIZE_MIN, "key too short for XXH3");

struct boot_hash {
	XXH3_state_t xxh;
	uint8_t key[HASH_KEY];	/* xxh points here */
};

struct boot_hash *boot_hash_new(const uint8_t key[HASH_KEY])
{
	struct boot_hash *h = NULL;

	/* XXH3_state_t wants its alignment of 64. */
	if (posix_memalign((void **)&h, _Alignof(struct boot_hash), sizeof(*h)))
		return NULL;
	memcpy(h->key, key, HASH_KEY);
	XXH3_INITSTATE(&h->xxh);
	boot_hash_reset(h);
	return h;
}

void boot_hash_free(struct boot_hash *h)
{
	free(h);
}

void boot_hash_reset(struct boot_hash *h)
{
	XXH3_128bits_reset_withSecret(&h->xxh, h->key, sizeof(h->key));
}

void boot_hash_add(struct boot_hash *h, const void *data, size_t len)
{
	XXH3_128bits_update(&h->xxh, data, len);
}

struct boot_hash_value boot_hash_get(const struct boot_hash *h)
{
	XXH128_hash_t v = XXH3_128bits_digest(&h->xxh);

	return (struct boot_hash_value){ { v.low64, v.high64 } };
}
