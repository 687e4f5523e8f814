/* SPDX-License-Identifier: MIT */
/* Kernel images: an input is a bzImage, from its setup header to its compressed kernel. */
#include "fuzz.h"

#include <string.h>

#include "vmm/linux/bzimage.h"

static void check(struct elf_file *file, size_t size)
{
	struct error err = { .text = "" };

	if (bzimage_unpack(file, &err) == 0)
		must_hold(file->nr_bytes > 0 && file->nr_bytes <= ELF_FILE_MAX_BYTES,
			  "what is unpacked has a size that a guest may have");
	else
		must_hold((err.status == EXIT_USAGE || err.status == EXIT_HOST) && err.text[0] &&
				  !strchr(err.text, '\n') && file->nr_bytes == size,
			  "what is refused is explained in a line, and left as it was");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file file = { .path = "fuzz",
				 .bytes = malloc(size ? size : 1),
				 .nr_bytes = size };

	if (file.bytes && size) {
		memcpy(file.bytes, data, size);
		if (bzimage_is(&file))
			check(&file, size);
	}
	elf_file_finish(&file);
	return 0;
}
