// SPDX-License-Identifier: MIT
/*
 * --net: a network interface of a guest started by hand. It becomes the nodes that libxl would write for
 * it; the back end reads those, whoever wrote them.
 *
 *   tap=NAME[,WORD]...        a tap of the host, made if it is not there
 *   passt[=PORTS][,WORD]...   no privilege: passt(1), with TCP ports of the host that lead to the guest
 *
 *   WORD: mac=ADDRESS (random), rate=BYTES/MICROSECONDS (no limit)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "domicile/base/fd.h"
#include "config.h"

struct net {
	const char *tap, *passt, *rate;
	char mac[18];
};

/* Xen's vendor code, and a random address below it. */
static int random_mac(struct net *n)
{
	uint8_t b[3];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -EIO;
	snprintf(n->mac, sizeof(n->mac), "00:16:3e:%02x:%02x:%02x", b[0] & 0x7f, b[1], b[2]);
	return 0;
}

static int set_mac(struct net *n, const char *text)
{
	unsigned b[6];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) != 6 ||
	    text[end] || end != 17 || b[0] & 1)
		return -EINVAL;
	snprintf(n->mac, sizeof(n->mac), "%s", text);
	return 0;
}

static int parse_word(struct net *n, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	if (!strcmp(word, "passt")) {
		n->passt = value ? value : "";
		return 0;
	}
	if (!value || !*value)
		return -EINVAL;
	if (!strcmp(word, "tap") && strlen(value) < 16)
		n->tap = value;
	else if (!strcmp(word, "mac"))
		return set_mac(n, value);
	else if (!strcmp(word, "rate") && strchr(value, '/'))
		n->rate = value;
	else
		return -EINVAL;
	return 0;
}

static int describe(struct vmm_config *cfg, const struct net *n, unsigned id)
{
	struct vmm_device *dev = vmm_config_add_device(cfg, "vif", id);
	char handle[16], rate[64];

	snprintf(handle, sizeof(handle), "%u", id);
	snprintf(rate, sizeof(rate), "%s", n->rate ? n->rate : "");
	if (n->rate && strchr(rate, '/'))
		*strchr(rate, '/') = ',';
	if (!dev || vmm_device_back(cfg, dev, "handle", handle) ||
	    vmm_device_back(cfg, dev, "mac", n->mac) ||
	    vmm_device_back(cfg, dev, "type", "vif") ||
	    vmm_device_back(cfg, dev, n->passt ? "passt" : "vifname", n->passt ? n->passt : n->tap) ||
	    (n->rate && vmm_device_back(cfg, dev, "rate", rate)) ||
	    vmm_device_front(cfg, dev, "handle", handle) ||
	    vmm_device_front(cfg, dev, "mac", n->mac))
		return -ENOMEM;
	return 0;
}

int vmm_config_net(struct vmm_config *cfg, const char *spec, struct dom_err *err)
{
	char *copy DOM_CLEANUP_FREE = strdup(spec), *next = copy, *word;
	struct net n = { 0 };
	unsigned id = 0;

	if (!copy)
		return dom_err_set(err, -ENOMEM, "--net: no memory");
	while ((word = strsep(&next, ","))) {
		if (parse_word(&n, word))
			return dom_err_set(err, -EINVAL, "--net %s: want tap=NAME or passt[=PORTS], and "
					   "mac=aa:bb:cc:dd:ee:ff, rate=BYTES/MICROSECONDS", spec);
	}
	if (!n.tap == !n.passt)
		return dom_err_set(err, -EINVAL, "--net %s: one of tap=NAME and passt is needed", spec);
	if (!n.mac[0] && random_mac(&n))
		return dom_err_set(err, -EIO, "--net %s: no random numbers for an address", spec);
	while (vmm_config_find_device(cfg, "vif", id))
		id++;
	if (describe(cfg, &n, id))
		return dom_err_set(err, -ENOMEM, "--net: no memory, or too many devices");
	return 0;
}
