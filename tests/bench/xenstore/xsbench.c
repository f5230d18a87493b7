// SPDX-License-Identifier: MIT
/*
 * Measures a xenstore daemon over its socket, as server CPU time per operation.
 *
 *   xsbench echo SOCKET                      serve one client with plain read and write: the floor
 *   xsbench run SOCKET PID SECONDS TEST...   measure; prints "TEST cpu_us wall_us ops" per test
 *   xsbench fill SOCKET N                    make N nodes, 100 to a directory
 *   xsbench flat SOCKET N                    make N nodes in one directory
 *   xsbench idle SOCKET N                    hold N connections until stdin ends
 *   xsbench flood SOCKET KIND                flood the daemon until killed
 *   xsbench listen SOCKET PATH               watch 128 times and take events until killed
 *   xsbench latency SOCKET SECONDS read|txn N   now and then a request, or a transaction that reads
 *                                            nodes of domains 1 to N, until it has committed;
 *                                            prints median, 99th percentile and worst, us
 *   xsbench count SOCKET TEST N              N operations, for counting system calls
 *
 * CPU time is what /proc/PID/schedstat says, so waiting costs nothing. For flood, SOCKET may be
 * fd:N, a guest's connection, or ring:FILE:FIFO:PORT, a guest's ring page and where to write the
 * PORT that tells Xen's daemon to look at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { DIRECTORY = 1, READ = 2, WATCH = 4, TX_START = 6, TX_END = 7, WRITE = 11, RM = 13,
       EVENT = 15, ERROR = 16 };

/* ABI: xen/include/public/io/xs_wire.h */
struct ring {
	char req[1024], rsp[1024];
	volatile uint32_t req_cons, req_prod, rsp_cons, rsp_prod;
};

struct msg {
	uint32_t type, id, tx, len;
};

static int fd;
static struct ring *ring;	/* instead of fd */
static uint32_t port;
static char rx[1 << 16], tx_buf[1 << 18];
static size_t rx_len, tx_len;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_of(const char *pid)
{
	char path[64], text[128];
	int f;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
	f = open(path, O_RDONLY);
	n = read(f, text, sizeof(text) - 1);
	if (n <= 0)
		die(path);
	text[n] = 0;
	close(f);
	return strtod(text, NULL) / 1e9;
}

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof(a)))
		die(path);
	return s;
}

/* --- messages --- */

static void queue(uint32_t type, uint32_t tx, const void *data, size_t len)
{
	struct msg m = { type, 7, tx, (uint32_t)len };

	memcpy(tx_buf + tx_len, &m, sizeof(m));
	memcpy(tx_buf + tx_len + sizeof(m), data, len);
	tx_len += sizeof(m) + len;
}

/* fd is where to tell of it. */
static ssize_t ring_write(const char *data, size_t len)
{
	uint32_t prod = ring->req_prod, at = prod % 1024, room = 1024 - (prod - ring->req_cons);

	if (!room)
		sched_yield();
	room = room < 1024 - at ? room : 1024 - at;
	len = len < room ? len : room;
	memcpy(ring->req + at, data, len);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring->req_prod = prod + (uint32_t)len;
	if (write(fd, &port, sizeof(port)) != sizeof(port))
		die("event");
	return (ssize_t)len;
}

static ssize_t ring_read(char *data, size_t len)
{
	uint32_t cons = ring->rsp_cons, at = cons % 1024, n;

	while ((n = ring->rsp_prod - cons) == 0)
		sched_yield();
	n = n < 1024 - at ? n : 1024 - at;
	len = len < n ? len : n;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(data, ring->rsp + at, len);
	ring->rsp_cons = cons + (uint32_t)len;
	if (write(fd, &port, sizeof(port)) != sizeof(port))
		die("event");
	return (ssize_t)len;
}

static void flush(void)
{
	size_t done = 0;

	while (done < tx_len) {
		ssize_t n = ring ? ring_write(tx_buf + done, tx_len - done) :
				   write(fd, tx_buf + done, tx_len - done);

		if (n < 0 || (n == 0 && !ring))
			die("write");
		done += (size_t)n;
	}
	tx_len = 0;
}

/* Wait for one message; its payload is copied to @out (up to 63 bytes) if there is one. */
static uint32_t next(char *out)
{
	struct msg m;

	for (;;) {
		if (rx_len >= sizeof(m)) {
			memcpy(&m, rx, sizeof(m));
			if (rx_len >= sizeof(m) + m.len)
				break;
		}
		ssize_t n = ring ? ring_read(rx + rx_len, sizeof(rx) - rx_len) :
				   read(fd, rx + rx_len, sizeof(rx) - rx_len);

		if (n <= 0)
			die("read");
		rx_len += (size_t)n;
	}
	if (out) {
		size_t n = m.len < 63 ? m.len : 63;

		memcpy(out, rx + sizeof(m), n);
		out[n] = 0;
	}
	rx_len -= sizeof(m) + m.len;
	memmove(rx, rx + sizeof(m) + m.len, rx_len);
	return m.type;
}

static void call(uint32_t type, uint32_t tx, const void *data, size_t len, char *out)
{
	char text[64];
	uint32_t got;

	queue(type, tx, data, len);
	flush();
	do
		got = next(text);
	while (got == EVENT);
	if (got != type) {
		fprintf(stderr, "request %u: reply %u %s\n", type, got, text);
		exit(1);
	}
	if (out)
		strcpy(out, text);
}

static void put(uint32_t tx, const char *path, const char *value)
{
	char buf[512];
	int n = snprintf(buf, sizeof(buf), "%s%c%s", path, 0, value);

	call(WRITE, tx, buf, (size_t)n, NULL);
}

static uint32_t begin(void)
{
	char text[64];

	call(TX_START, 0, "", 1, text);
	return (uint32_t)atoi(text);
}

/* --- tests: one call is so many operations --- */

static unsigned read_one(void)
{
	call(READ, 0, "/bench/k", 9, NULL);
	return 1;
}

static unsigned write_one(void)
{
	put(0, "/bench/k", "0123456789abcdef");
	return 1;
}

static unsigned read_64(void)
{
	for (int i = 0; i < 64; i++)
		queue(READ, 0, "/bench/k", 9);
	flush();
	for (int i = 0; i < 64; i++)
		next(NULL);
	return 64;
}

static unsigned write_64(void)
{
	for (int i = 0; i < 64; i++)
		queue(WRITE, 0, "/bench/k\0000123456789abcdef", 25);
	flush();
	for (int i = 0; i < 64; i++)
		next(NULL);
	return 64;
}

static unsigned transaction(void)
{
	uint32_t tx = begin();

	call(READ, tx, "/bench/k", 9, NULL);
	put(tx, "/bench/k", "0123456789abcdef");
	call(TX_END, tx, "T", 2, NULL);
	return 1;
}

static unsigned watch_event(void)
{
	static int watching;

	if (!watching++) {
		call(WATCH, 0, "/bench/w\0tok", 13, NULL);
		next(NULL);
	}
	queue(WRITE, 0, "/bench/w\0v", 10);
	flush();
	next(NULL);
	next(NULL);
	return 1;
}

static unsigned list_100(void)
{
	call(DIRECTORY, 0, "/bench/dir", 11, NULL);
	return 1;
}

static unsigned domain(void)
{
	static unsigned n;
	char path[128];
	uint32_t tx = begin();

	n++;
	for (int i = 0; i < 72; i++) {
		static const char *const top[] = { "/local/domain", "/vm", "/libxl" };

		snprintf(path, sizeof(path), "%s/%u/device/%s/%d/key%d", top[i % 3], 10000 + n % 1000,
			 i & 1 ? "vbd" : "vif", i / 18, i);
		put(tx, path, "0123456789abcdef");
	}
	call(TX_END, tx, "T", 2, NULL);
	for (int i = 0; i < 3; i++) {
		static const char *const top[] = { "/local/domain", "/vm", "/libxl" };
		int len = snprintf(path, sizeof(path), "%s/%u", top[i], 10000 + n % 1000);

		call(RM, 0, path, (size_t)len + 1, NULL);
	}
	return 1;
}

static unsigned echo_one(void)
{
	char buf[32];

	if (write(fd, "0123456789abcdef012345678", 25) != 25 || read(fd, buf, sizeof(buf)) != 25)
		die("echo");
	return 1;
}

static unsigned echo_64(void)
{
	char buf[64 * 25] = { 0 };
	size_t got = 0;

	if (write(fd, buf, sizeof(buf)) != sizeof(buf))
		die("echo");
	while (got < sizeof(buf)) {
		ssize_t n = read(fd, buf + got, sizeof(buf) - got);

		if (n <= 0)
			die("echo");
		got += (size_t)n;
	}
	return 64;
}

static const struct test {
	const char *name;
	unsigned (*run)(void);
} tests[] = {
	{ "read", read_one }, { "write", write_one }, { "read64", read_64 },
	{ "write64", write_64 }, { "txn", transaction }, { "watch", watch_event },
	{ "list100", list_100 }, { "domain", domain }, { "echo", echo_one },
	{ "echo64", echo_64 },
};

static const struct test *find(const char *name)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (!strcmp(tests[i].name, name))
			return &tests[i];
	fprintf(stderr, "no test %s\n", name);
	exit(2);
}

static void prepare(void)
{
	char path[64];

	put(0, "/bench/k", "0123456789abcdef");
	put(0, "/bench/w", "v");
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/bench/dir/e%03d", i);
		put(0, path, "v");
	}
}

/* Slices of a fifth of @seconds; the median one is printed. */
static void measure(const struct test *t, const char *pid, double seconds)
{
	double cpu[5], wall[5];
	unsigned long total = 0;

	t->run();
	for (int s = 0; s < 5; s++) {
		double c0 = cpu_of(pid), t0 = now(), t1;
		unsigned long n = 0;

		do {
			n += t->run();
			t1 = now();
		} while (t1 - t0 < seconds / 5);
		cpu[s] = (cpu_of(pid) - c0) / (double)n * 1e6;
		wall[s] = (t1 - t0) / (double)n * 1e6;
		total += n;
	}
	for (int i = 1; i < 5; i++)
		for (int j = i; j && cpu[j] < cpu[j - 1]; j--) {
			double c = cpu[j], w = wall[j];

			cpu[j] = cpu[j - 1];
			wall[j] = wall[j - 1];
			cpu[j - 1] = c;
			wall[j - 1] = w;
		}
	printf("%s %.3f %.3f %lu\n", t->name, cpu[2], wall[2], total);
	fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* What a toolstack does with several domains at once; again until it commits. */
static void commit_one(unsigned domains)
{
	for (uint32_t got = 0; got != TX_END;) {
		uint32_t tx = begin();
		char path[64];

		for (unsigned i = 1; i <= domains; i++) {
			int n = snprintf(path, sizeof(path), "/local/domain/%u/k", i);

			call(READ, tx, path, (size_t)n + 1, NULL);
			snprintf(path, sizeof(path), "/bench/domain/%u", i);
			put(tx, path, "v");
		}
		queue(TX_END, tx, "T", 2);
		flush();
		got = next(NULL);
	}
}

static void latency(double seconds, const char *kind, unsigned domains)
{
	static double v[1 << 20];
	double end = now() + seconds;
	size_t n = 0;

	while (now() < end && n < sizeof(v) / sizeof(v[0])) {
		double t0 = now();

		if (!strcmp(kind, "txn"))
			commit_one(domains);
		else
			read_one();
		v[n++] = (now() - t0) * 1e6;
		usleep(500);
	}
	qsort(v, n, sizeof(v[0]), by_value);
	printf("%.1f %.1f %.1f\n", v[n / 2], v[n * 99 / 100], v[n - 1]);
}

static void echo_server(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int l = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 5))
		die(path);
	for (;;) {
		int c = accept(l, NULL, NULL);
		ssize_t n;

		while ((n = read(c, rx, sizeof(rx))) > 0)
			if (write(c, rx, (size_t)n) != n)
				break;
		close(c);
	}
}

static void fill(unsigned n, int flat)
{
	char path[64];

	for (unsigned i = 0; i < n; i++) {
		if (flat)
			snprintf(path, sizeof(path), "/flat/node-%u", i);
		else
			snprintf(path, sizeof(path), "/fill/%u/%u", i / 100, i);
		queue(WRITE, 0, path, strlen(path) + 1);
		if (i % 64 == 63 || i + 1 == n) {
			flush();
			for (unsigned j = 0; j <= i % 64; j++)
				next(NULL);
		}
	}
}

static void hold(const char *path, unsigned n)
{
	struct rlimit l = { n + 100, n + 100 };
	char c;

	setrlimit(RLIMIT_NOFILE, &l);
	while (n--)
		dial(path);
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
}

/* --- flooding, below the sender's own home --- */

static void set_watches(const char *path)
{
	for (int i = 0; i < 100; i++) {
		char buf[64];
		int n = snprintf(buf, sizeof(buf), "%s%ct%d", path, 0, i);

		call(WATCH, 0, buf, (size_t)n + 1, NULL);
	}
}

static void flood_read(void)
{
	for (int i = 0; i < 1000; i++)
		queue(READ, 0, "k", 2);
	flush();
	for (int i = 0; i < 1000; i++)
		next(NULL);
}

static void flood_write(void)
{
	put(0, "k", "v");
}

static void flood_txn(void)
{
	uint32_t tx = begin();

	call(READ, tx, "k", 2, NULL);
	put(tx, "k", "v");
	queue(TX_END, tx, "T", 2);
	flush();
	while (next(NULL) == EVENT)
		;
}

/* One reply stands for 100 watches told of 40 nodes. */
static void flood_commit(void)
{
	uint32_t tx = begin(), got;
	char path[32];

	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "d/n%d", i);
		put(tx, path, "v");
	}
	queue(TX_END, tx, "T", 2);
	flush();
	do
		got = next(NULL);
	while (got == EVENT);
}

/* Everybody watches that. */
static void flood_fan(void)
{
	put(0, "/crowd", "v");
}

/* A guest that watches, 128 times, and takes its events. */
static void listen_to(const char *path)
{
	for (int i = 0; i < 128; i++) {
		char buf[64];
		int n = snprintf(buf, sizeof(buf), "%s%ct%d", path, 0, i);

		call(WATCH, 0, buf, (size_t)n + 1, NULL);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		next(NULL);
}

static const struct flood {
	const char *name;
	const char *watched;	/* a hundred times; NULL: nothing */
	void (*run)(void);
} floods[] = {
	{ "read",   NULL, flood_read },	{ "write",  NULL, flood_write },
	{ "txn",    NULL, flood_txn },	{ "watch",  "k",  flood_write },
	{ "commit", "d",  flood_commit },	{ "fan", "/crowd", flood_fan },
};

/* Without pause, until killed. */
static void flood(const char *kind)
{
	put(0, "k", "v");
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		if (strcmp(floods[i].name, kind))
			continue;
		if (floods[i].watched)
			set_watches(floods[i].watched);
		for (;;)
			floods[i].run();
	}
	fprintf(stderr, "no flood %s\n", kind);
	exit(2);
}

static void open_ring(const char *spec)
{
	char file[256], fifo[256];
	int f;

	if (sscanf(spec, "ring:%255[^:]:%255[^:]:%u", file, fifo, &port) != 3)
		die(spec);
	f = open(file, O_RDWR);
	fd = open(fifo, O_RDWR);
	ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	if (f < 0 || fd < 0 || ring == MAP_FAILED)
		die(spec);
}

static void connect_to(const char *target)
{
	if (!strncmp(target, "ring:", 5))
		open_ring(target);
	else
		fd = strncmp(target, "fd:", 3) ? dial(target) : atoi(target + 3);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "echo"))
		echo_server(argv[2]);
	if (!strcmp(argv[1], "idle")) {
		hold(argv[2], (unsigned)atoi(argv[3]));
		return 0;
	}
	connect_to(argv[2]);
	if (!strcmp(argv[1], "run")) {
		if (strncmp(argv[5], "echo", 4))
			prepare();
		for (int i = 5; i < argc; i++)
			measure(find(argv[i]), argv[3], atof(argv[4]));
	} else if (!strcmp(argv[1], "count")) {
		const struct test *t = find(argv[3]);
		unsigned n = 0;

		while (n < (unsigned)atoi(argv[4]))
			n += t->run();
	} else if (!strcmp(argv[1], "prepare")) {
		prepare();
	} else if (!strcmp(argv[1], "fill") || !strcmp(argv[1], "flat")) {
		fill((unsigned)atoi(argv[3]), argv[1][1] == 'l');
	} else if (!strcmp(argv[1], "flood")) {
		flood(argv[3]);
	} else if (!strcmp(argv[1], "listen")) {
		listen_to(argv[3]);
	} else if (!strcmp(argv[1], "latency")) {
		latency(atof(argv[3]), argv[4], (unsigned)atoi(argv[5]));
	}
	return 0;
}
