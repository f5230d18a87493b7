// SPDX-License-Identifier: MIT
/*
 * Two tools on the socket. The input is chunks: a byte whose low bit names the tool and whose
 * other bits, times four, are the length of what follows, which is sent as it is.
 */
#include "fuzz_xs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd[2];

	start();
	fd[0] = client(0);
	fd[1] = client(0);
	while (size > 1) {
		int who = data[0] & 1;
		size_t len = (size_t)(data[0] >> 1) * 4 + 1;

		data++;
		size--;
		if (len > size)
			len = size;
		if (send(fd[who], data, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		data += len;
		size -= len;
		rounds();
		s.live_update.start = false;
		discard(fd[0]);
	}
	close(fd[0]);
	close(fd[1]);
	rounds();
	finish();
	return 0;
}
