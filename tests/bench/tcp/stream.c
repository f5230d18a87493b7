// SPDX-License-Identifier: MIT
/*
 * stream: bulk TCP between two machines, with large system calls, so that what is measured is the
 * network below. Linked statically: it runs in guests that have nothing else.
 *
 *   stream serve PORT				serves for ever
 *   stream up|down HOST PORT MIB NAME		prints "RESULT NAME MBPS", of 10^6 bytes
 *
 * A client sends a line, "u BYTES" or "d BYTES". The end of a transfer to the server is its answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (256u << 10)
#define LINE 32u

static char buffer[CHUNK];

static void die(const char *what)
{
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void send_all(int fd, uint64_t left)
{
	while (left) {
		ssize_t n = write(fd, buffer, left < CHUNK ? left : CHUNK);

		if (n <= 0)
			die("write");
		left -= (uint64_t)n;
	}
}

static void receive_all(int fd, uint64_t left)
{
	while (left) {
		ssize_t n = read(fd, buffer, left < CHUNK ? left : CHUNK);

		if (n <= 0)
			die("read");
		left -= (uint64_t)n;
	}
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (host && inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die(host);
	return a;
}

static void serve_one(int fd)
{
	char line[LINE] = "";
	uint64_t bytes;

	if (read(fd, line, LINE) != (ssize_t)LINE)
		die("request");
	bytes = strtoull(line + 1, NULL, 10);
	if (line[0] == 'd') {
		send_all(fd, bytes);
	} else {
		receive_all(fd, bytes);
		send_all(fd, 1);
	}
}

static int serve(const char *port)
{
	struct sockaddr_in a = address(NULL, port);
	int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 8))
		die("listen");
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(s, NULL, NULL);

		if (fd < 0)
			die("accept");
		if (fork() == 0) {
			serve_one(fd);
			_exit(0);
		}
		close(fd);
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int client(char **argv)
{
	struct sockaddr_in a = address(argv[2], argv[3]);
	uint64_t bytes = strtoull(argv[4], NULL, 10) << 20;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool up = argv[1][0] == 'u';
	char line[LINE] = "";
	double t0;

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	snprintf(line, sizeof(line), "%c %llu", argv[1][0], (unsigned long long)bytes);
	t0 = now();
	if (write(fd, line, LINE) != (ssize_t)LINE)
		die("request");
	if (up) {
		send_all(fd, bytes);
		receive_all(fd, 1);
	} else {
		receive_all(fd, bytes);
	}
	printf("RESULT %s %.1f\n", argv[5], (double)bytes / 1e6 / (now() - t0));
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc == 6 && (!strcmp(argv[1], "up") || !strcmp(argv[1], "down")))
		return client(argv);
	fprintf(stderr, "usage: stream serve PORT | stream up|down HOST PORT MIB NAME\n");
	return 2;
}
