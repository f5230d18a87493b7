// SPDX-License-Identifier: MIT
/*
 * Raw images: a file or block device whose bytes are the disk's. The format is never guessed from
 * the contents, which the guest writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "blk/blk.h"
#include "domicile/base/fd.h"

int64_t blk_img_sectors(const struct blk_img *img)
{
	struct stat st;
	uint64_t bytes;

	if (img->nbd)
		return blk_nbd_sectors(img->nbd);
	if (img->is_bdev && ioctl(img->fd, BLKGETSIZE64, &bytes) < 0)
		return -errno;
	if (!img->is_bdev) {
		if (fstat(img->fd, &st) < 0)
			return -errno;
		bytes = (uint64_t)st.st_size;
	}
	return (int64_t)(bytes >> BLKIF_SECTOR_SHIFT);
}

/*
 * Two writers would destroy each other's file system. The lock belongs to the open file: the kernel
 * takes it back when the last descriptor goes, however the process ends. Where files cannot be
 * locked (some network file systems) people have to take care themselves.
 */
static int lock(int fd, bool readonly)
{
	struct flock fl = { .l_type = readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &fl) == 0 || (errno != EAGAIN && errno != EACCES))
		return 0;
	return -EBUSY;
}

/* A server's socket came instead of a file. */
static int open_server(struct blk_disk *disk, const char *path, bool readonly, struct dom_err *err)
{
	int fd = disk->img.fd;
	int r;

	disk->img.fd = -1;
	r = blk_nbd_open(disk, fd, &disk->lim, &disk->img.nbd);
	if (r < 0)
		return dom_err_set(err, r, "the server at %s does not give its image: %s", path,
				   strerror(-r));
	disk->lim.readonly |= readonly;
	disk->lim.discard &= !disk->lim.readonly;
	return 0;
}

/* How much several requests may ask for together: more than the device takes at once does not pay. */
static uint32_t join_max(const struct blk_img *img)
{
	unsigned short sectors;

	if (!img->is_bdev || ioctl(img->fd, BLKSECTGET, &sectors) < 0)
		return BLK_JOIN_BYTES;
	return DOM_MIN(BLK_JOIN_BYTES, (uint32_t)sectors << BLKIF_SECTOR_SHIFT);
}

static int examine(struct blk_img *img, const char *path, bool readonly, struct blk_limits *lim,
		   struct dom_err *err)
{
	int64_t sectors = blk_img_sectors(img);
	int sector = 512;

	if (sectors < 0 || (img->is_bdev && ioctl(img->fd, BLKSSZGET, &sector) < 0))
		return dom_err_set(err, -EIO, "cannot find the size of disk image %s", path);
	if (lock(img->fd, readonly) < 0)
		return dom_err_set(err, -EBUSY, "disk image %s is in use: another domain or program "
				   "has it locked for writing%s", path, readonly ? "" : ", or reads it");
	img->join_max = join_max(img);
	*lim = (struct blk_limits){ .sectors = (uint64_t)sectors, .sector_size = (uint32_t)sector,
				    .readonly = readonly, .discard = !readonly };
	return 0;
}

int blk_img_open(struct pvb_dev *dev, const char *path, bool readonly, struct blk_disk *disk,
		 struct dom_err *err)
{
	int mode = readonly ? O_RDONLY : O_RDWR, r;
	struct blk_img *img = &disk->img;
	struct stat st;

	*img = (struct blk_img){ .fd = pvb_open(dev, path, mode | O_DIRECT), .buffered_fd = -1 };
	if (img->fd < 0)
		img->fd = pvb_open(dev, path, mode);
	if (img->fd < 0)
		return dom_err_set(err, img->fd, "cannot open disk image %s: %s", path,
				   strerror(-img->fd));
	if (fstat(img->fd, &st) == 0 && S_ISSOCK(st.st_mode))
		return open_server(disk, path, readonly, err);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		blk_img_close(img);
		return dom_err_set(err, -EINVAL, "disk image %s is neither a file nor a block device",
				   path);
	}
	if (fcntl(img->fd, F_GETFL) & O_DIRECT)
		img->buffered_fd = pvb_open(dev, path, mode);
	img->is_bdev = S_ISBLK(st.st_mode);
	r = examine(img, path, readonly, &disk->lim, err);
	if (r < 0)
		blk_img_close(img);
	return r;
}

void blk_img_close(struct blk_img *img)
{
	struct flock fl = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	/* An io_uring may hold on to the file for a second after the descriptor is closed. */
	if (img->fd >= 0)
		(void)fcntl(img->fd, F_OFD_SETLK, &fl);
	blk_nbd_close(img->nbd);
	img->nbd = NULL;
	dom_close_fd(&img->fd);
	dom_close_fd(&img->buffered_fd);
}
