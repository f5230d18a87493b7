// SPDX-License-Identifier: MIT
#include "xl.h"

int main(int argc, char **argv)
{
	return xl_main(argc, argv);
}
