// SPDX-License-Identifier: MIT
/*
 * The Linux x86 boot protocol's setup header: where in a bzImage the compressed ELF kernel is.
 *
 *	0	boot sector and setup code, (setup_sects + 1) * 512 bytes
 *	...	protected-mode part; payload_offset is relative to its start
 *
 * The payload's last 4 bytes are the decoded size (little-endian); only gzip's own format ends in
 * that number, for the others it has been appended.
 *
 * Source: linux Documentation/arch/x86/boot.rst; field offsets below are those of its table.
 */
#include <inttypes.h>

#include "impl.h"

enum {
	SETUP_SECTS = 0x1f1,	/* u8; 0 means 4 */
	BOOT_FLAG = 0x1fe,	/* u16: 0xaa55 */
	HDR_MAGIC = 0x202,	/* "HdrS" */
	VERSION = 0x206,	/* u16 */
	INITRD_ADDR_MAX = 0x22c,	/* u32; version 2.03 */
	PAYLOAD_OFFSET = 0x248,	/* u32, u32 length; version 2.08 */
	PREF_ADDRESS = 0x258,	/* u64, u32 init_size; version 2.10 */
	SECTOR = 512,
};

/* boot_bzimage_is - does @head look like the start of a bzImage? */
bool boot_bzimage_is(const void *head, size_t len)
{
	struct dom_cur c = dom_cur_init(head, len);
	const void *magic;

	dom_cur_seek(&c, BOOT_FLAG);
	if (dom_cur_u16(&c) != 0xaa55)
		return false;
	dom_cur_seek(&c, HDR_MAGIC);
	magic = dom_cur_take(&c, 4);
	return magic && !memcmp(magic, "HdrS", 4);
}

/*
 * boot_bzimage_parse - decode the setup header
 * @head:  first @len bytes of the file, BZIMAGE_HEAD of them if there are so many
 *
 * Returns 0; -ENOEXEC if the header is cut off, or the payload is not inside the file.
 */
int boot_bzimage_parse(const void *head, size_t len, uint64_t file_size, const char *name,
		       struct boot_bzimage *ret, struct dom_err *err)
{
	struct dom_cur c = dom_cur_init(head, len);
	struct boot_bzimage bz = { 0 };
	unsigned sects, version;

	dom_cur_seek(&c, SETUP_SECTS);
	sects = dom_cur_u8(&c);
	dom_cur_seek(&c, VERSION);
	version = dom_cur_u16(&c);
	dom_cur_seek(&c, INITRD_ADDR_MAX);
	bz.initrd_limit = dom_cur_u32(&c) + 1ull;
	dom_cur_seek(&c, PAYLOAD_OFFSET);
	bz.payload = (sects ? sects + 1ull : 5) * SECTOR + dom_cur_u32(&c);
	bz.payload_len = dom_cur_u32(&c);
	dom_cur_seek(&c, PREF_ADDRESS);
	bz.init_start = dom_cur_u64(&c);
	bz.init_len = dom_cur_u32(&c);
	if (c.bad)
		return boot_src_error(name, -ENODATA, err);
	if (version < 0x208)
		return dom_err_set(err, -ENOEXEC,
				   "%s: Linux boot protocol %u.%02u is too old; use Linux 2.6.26 or newer",
				   name, version >> 8, version & 0xff);
	if (version < 0x20a)
		bz.init_start = bz.init_len = 0;
	if (bz.payload_len < 8 || !dom_in_range(bz.payload, bz.payload_len, file_size))
		return dom_err_set(err, -ENOEXEC,
				   "%s: truncated or corrupt: its header puts the kernel at 0x%" PRIx64
				   "+0x%" PRIx64 " of %" PRIu64 " bytes; copy or install it again",
				   name, bz.payload, bz.payload_len, file_size);
	*ret = bz;
	return 0;
}
