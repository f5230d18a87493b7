// SPDX-License-Identifier: MIT
/* The cache of decompressed kernels: found again, never wrong, bounded, never fatal. */
#include <dirent.h>
#include <time.h>

#include "fixture.h"

static char cache[128];
static struct blob elf;

static int setup(void **state)
{
	(void)state;
	fixture_init("kernel");
	snprintf(cache, sizeof(cache), "%s/cache", dir);
	elf = t_elf(true);
	return 0;
}

static int teardown_elf(void **state)
{
	free(elf.p);
	return teardown(state);
}

/* Load a bzImage of @e; was it in the cache? Both ways must give the same RAM. */
static bool load(struct blob e, const struct t_codec *c, const struct boot_opts *opts)
{
	struct blob z = t_bzimage(c->encode(e), (uint32_t)e.len, c->trailer);

	free(g.mem);
	t_guest_init(&g, T_RAM);
	t_write(path, z.p, z.len);
	free(z.p);
	assert_int_equal(t_load_cached(&g, path, opts), 0);
	assert_true(t_loaded(&g, e));
	assert_int_equal(g.k.sites, 2);
	assert_string_equal(g.k.notes.guest_os, "test");
	return g.k.cached;
}

/* The n-th kernel in the cache; returns how many there are. Anything else there fails the test. */
static unsigned entries(char *ret, size_t size)
{
	DIR *d = opendir(cache);
	struct dirent *e;
	unsigned n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		assert_non_null(strstr(e->d_name, ".kernel"));
		if (ret)
			snprintf(ret, size, "%s/%s", cache, e->d_name);
		n++;
	}
	closedir(d);
	return n;
}

static void second_load_is_cached(void **state)
{
	const struct boot_opts opts = { .cache_dir = cache };
	struct stat st;

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(t_codecs); i++) {
		assert_false(load(elf, &t_codecs[i], &opts));
		assert_true(load(elf, &t_codecs[i], &opts));
		assert_string_equal(g.k.codec, t_codecs[i].name);
	}
	assert_int_equal(entries(NULL, 0), DOM_ARRAY_LEN(t_codecs));
	assert_int_equal(stat(cache, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void compressed_elf_is_cached_too(void **state)
{
	const struct boot_opts opts = { .cache_dir = cache };
	struct blob z = t_xz(elf);

	(void)state;
	for (int i = 0; i < 2; i++) {
		free(g.mem);
		t_guest_init(&g, T_RAM);
		t_write(path, z.p, z.len);
		assert_int_equal(t_load_cached(&g, path, &opts), 0);
		assert_int_equal(g.k.cached, i);
		assert_true(t_loaded(&g, elf));
	}
	free(z.p);
}

/* Every byte of an entry is covered: damage anywhere means decoding again, and a new entry. */
static void damaged_entry_is_replaced(void **state)
{
	const struct boot_opts opts = { .cache_dir = cache };
	char name[512];
	struct stat st;

	(void)state;
	load(elf, &t_codecs[0], &opts);
	assert_int_equal(entries(name, sizeof(name)), 1);
	assert_int_equal(stat(name, &st), 0);
	for (off_t at = 0; at < st.st_size; at += at < 300 ? 7 : 997) {
		int fd = open(name, O_RDWR | O_CLOEXEC);
		uint8_t b;

		/* The padding of the header and the gap between segments belong to nobody. */
		if ((at >= 288 && at < 4096) || (at >= 4096 + 232 && at < 4096 + T_SEG0) ||
		    (at >= 4096 + T_SEG0 + T_SEG0_LEN && at < 4096 + T_SEG1)) {
			close(fd);
			continue;
		}
		assert_int_equal(pread(fd, &b, 1, at), 1);
		b ^= 0x10;
		assert_int_equal(pwrite(fd, &b, 1, at), 1);
		close(fd);
		assert_false(load(elf, &t_codecs[0], &opts));
		assert_true(load(elf, &t_codecs[0], &opts));
	}
	assert_int_equal(truncate(name, st.st_size - 1), 0);
	assert_false(load(elf, &t_codecs[0], &opts));
	assert_int_equal(truncate(name, 10), 0);
	assert_false(load(elf, &t_codecs[0], &opts));
	assert_true(load(elf, &t_codecs[0], &opts));
	assert_int_equal(entries(NULL, 0), 1);
}

/* Same length, same first and last bytes, so the same entry; but another kernel. */
static void similar_kernel_is_not_mistaken(void **state)
{
	const struct boot_opts opts = { .cache_dir = cache };
	struct blob other = t_elf(true);
	struct t_codec store = { "zstd", t_zstd, false, false };

	(void)state;
	for (size_t i = T_SEG0 + 0x1100; i < T_SEG1; i++) {
		/* Noise that no codec shortens, so that lengths stay the same. */
		if (i >= T_NOTES && i < T_NOTES + 64)
			continue;
		elf.p[i] = other.p[i] = (uint8_t)(i * i * 2654435761u >> 13);
	}
	other.p[0x3000] ^= 1;
	load(elf, &store, &opts);
	assert_false(load(other, &store, &opts));
	assert_false(load(elf, &store, &opts));
	assert_true(load(elf, &store, &opts));
	free(other.p);
}

static void unusable_directories_cost_only_time(void **state)
{
	static char missing[256];
	const struct boot_opts off = { .cache_dir = "" }, opts = { .cache_dir = cache };
	const struct boot_opts nowhere = { .cache_dir = missing };

	(void)state;
	snprintf(missing, sizeof(missing), "%s/a/b/c", dir);
	for (int i = 0; i < 2; i++) {
		assert_false(load(elf, &t_codecs[0], &off));
		assert_false(load(elf, &t_codecs[0], &nowhere));
	}
	assert_int_equal(access(cache, F_OK), -1);
	/* Others may read it: it is not ours to trust. */
	assert_int_equal(mkdir(cache, 0700), 0);
	assert_int_equal(chmod(cache, 0755), 0);
	assert_false(load(elf, &t_codecs[0], &opts));
	assert_false(load(elf, &t_codecs[0], &opts));
	assert_int_equal(entries(NULL, 0), 0);
	/* A symbolic link may lead anywhere. */
	assert_int_equal(rmdir(cache), 0);
	assert_int_equal(symlink(dir, cache), 0);
	assert_false(load(elf, &t_codecs[0], &opts));
	assert_false(load(elf, &t_codecs[0], &opts));
}

static void foreign_entry_is_not_used(void **state)
{
	const struct boot_opts opts = { .cache_dir = cache };
	char name[512], moved[600];

	(void)state;
	load(elf, &t_codecs[0], &opts);
	assert_int_equal(entries(name, sizeof(name)), 1);
	assert_int_equal(chmod(name, 0644), 0);
	assert_false(load(elf, &t_codecs[0], &opts));
	snprintf(moved, sizeof(moved), "%s/moved", dir);
	assert_int_equal(rename(name, moved), 0);
	assert_int_equal(symlink(moved, name), 0);
	assert_false(load(elf, &t_codecs[0], &opts));
}

static void guest_too_small_keeps_the_entry(void **state)
{
	const struct boot_opts opts = { .cache_dir = cache };

	(void)state;
	load(elf, &t_codecs[0], &opts);
	free(g.mem);
	t_guest_init(&g, T_SEG1_PA);
	assert_int_equal(t_load_cached(&g, path, &opts), -ENOMEM);
	t_check_err(&g, path, -ENOMEM);
	assert_non_null(strstr(g.err.msg, "raise memory"));
	assert_true(load(elf, &t_codecs[0], &opts));
}

/* A kernel of its own for each @n. */
static bool load_nth(unsigned n, const struct boot_opts *opts)
{
	elf.p[T_SEG1 + 8] = (uint8_t)n;
	return load(elf, &t_codecs[0], opts);
}

static void longest_unused_leaves_first(void **state)
{
	const struct boot_opts opts = { .cache_dir = cache, .cache_entries = 3 };
	const struct timespec tick = { .tv_nsec = 20000000 };

	(void)state;
	for (unsigned n = 0; n < 3; n++) {
		assert_false(load_nth(n, &opts));
		nanosleep(&tick, NULL);
	}
	assert_true(load_nth(0, &opts));
	nanosleep(&tick, NULL);
	assert_false(load_nth(3, &opts));
	assert_int_equal(entries(NULL, 0), 3);
	assert_true(load_nth(0, &opts));
	assert_true(load_nth(2, &opts));
	assert_false(load_nth(1, &opts));
}

static void size_is_bounded(void **state)
{
	const struct boot_opts small = { .cache_dir = cache, .cache_bytes = 20000 };
	const struct boot_opts two = { .cache_dir = cache, .cache_bytes = 75000 };

	(void)state;
	assert_false(load_nth(0, &small));
	assert_false(load_nth(0, &small));
	for (unsigned n = 0; n < 6; n++)
		assert_false(load_nth(n, &two));
	assert_in_range(entries(NULL, 0), 1, 2);
}

static void default_directory_follows_the_environment(void **state)
{
	char buf[128];

	(void)state;
	setenv("DOMICILE_CACHE", "/some/where", 1);
	assert_int_equal(boot_cache_default_dir(buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/some/where");
	assert_int_equal(boot_cache_default_dir(buf, 5), -ENAMETOOLONG);
	unsetenv("DOMICILE_CACHE");
	setenv("XDG_CACHE_HOME", "/x", 1);
	assert_int_equal(boot_cache_default_dir(buf, sizeof(buf)), 0);
	assert_string_equal(buf, geteuid() ? "/x/domicile" : "/var/cache/domicile");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown_elf)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(second_load_is_cached),
		TEST(compressed_elf_is_cached_too),
		TEST(damaged_entry_is_replaced),
		TEST(similar_kernel_is_not_mistaken),
		TEST(unusable_directories_cost_only_time),
		TEST(foreign_entry_is_not_used),
		TEST(guest_too_small_keeps_the_entry),
		TEST(longest_unused_leaves_first),
		TEST(size_is_bounded),
		TEST(default_directory_follows_the_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
