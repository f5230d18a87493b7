// SPDX-License-Identifier: MIT
/*
 * A guest, a second one and a tool that serves them. Input as in fuzz_xs_socket, the low two bits
 * choosing the speaker; only guests' bytes come from the input, the tool repeats a fixed script.
 */
#include <stdio.h>

#include "fuzz_xs.h"

static void tool_says(int fd, uint32_t type, const char *payload, size_t len)
{
	struct xsd_sockmsg hdr = { .type = type, .len = (uint32_t)len };

	if (send(fd, &hdr, sizeof(hdr), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ||
	    send(fd, payload, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
	rounds();
	discard(fd);
}

#define SAY(fd, type, text) tool_says(fd, type, text, sizeof(text) - 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int tool, fd[2];

	start();
	tool = client(0);
	SAY(tool, XS_WRITE, "/local/domain/1\0");
	SAY(tool, XS_SET_PERMS, "/local/domain/1\0n1\0r2\0");
	SAY(tool, XS_WATCH, "/local\0t\0");
	fd[0] = client(1);
	fd[1] = client(2);
	while (size > 1) {
		int who = data[0] & 3;
		size_t len = (size_t)(data[0] >> 2) * 8 + 1;

		data++;
		size--;
		if (len > size)
			len = size;
		if (who < 2)
			(void)!send(fd[who], data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (who == 2)
			SAY(tool, XS_WRITE, "/local/domain/1/data/x\0value");
		else
			SAY(tool, XS_RELEASE, "2\0");
		data += len;
		size -= len;
		rounds();
		if (size & 1)
			discard(fd[0]);
		if (xsd_dom_peek(&s, 1)->acct[XSD_Q_NODES] > 1001)
			abort();
	}
	close(fd[0]);
	rounds();
	if (xsd_dom_peek(&s, 1)->acct[XSD_Q_NODES] || xsd_dom_peek(&s, 1)->acct[XSD_Q_MEMORY])
		abort();
	close(fd[1]);
	close(tool);
	rounds();
	finish();
	return 0;
}
