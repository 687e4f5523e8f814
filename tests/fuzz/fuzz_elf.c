/* SPDX-License-Identifier: MIT */
/* The ELF loader: an input is a guest's file. */
#include "fuzz.h"

#include <string.h>

#include "minivmm/abi.h"
#include "vmm/guest/elf_image.h"

#define LIMIT_GPA (MV_IMAGE_GPA + 0x100000ull)

static void check_segment(const struct elf_image *image, unsigned i, size_t file_bytes)
{
	const struct elf_segment *s = &image->segment[i];

	must_hold(s->mem_bytes > 0 && s->file_bytes <= s->mem_bytes, "a segment has its sizes");
	must_hold(s->gpa >= MV_IMAGE_GPA && s->gpa < LIMIT_GPA &&
			  s->mem_bytes <= LIMIT_GPA - s->gpa,
		  "a segment lies in the guest's part of memory");
	must_hold(s->file_offset <= file_bytes && s->file_bytes <= file_bytes - s->file_offset,
		  "a segment lies in the file");
	must_hold(s->gpa + s->mem_bytes <= image->end_gpa, "the image ends behind each segment");
	for (unsigned j = 0; j < i; j++) {
		const struct elf_segment *other = &image->segment[j];

		must_hold(s->gpa >= other->gpa + other->mem_bytes ||
				  other->gpa >= s->gpa + s->mem_bytes,
			  "segments lie apart");
	}
}

static void check_and_load(const struct elf_image *image, const struct elf_file *file)
{
	uint8_t *ram = calloc(1, LIMIT_GPA);

	must_hold(image->nr_segments >= 1 && image->nr_segments <= ELF_MAX_SEGMENTS,
		  "an image has segments");
	for (unsigned i = 0; i < image->nr_segments; i++)
		check_segment(image, i, file->nr_bytes);
	must_hold(image->entry_gpa >= MV_IMAGE_GPA && image->entry_gpa < LIMIT_GPA,
		  "the entry point lies in the guest's part of memory");
	if (ram)
		elf_image_load(
			image, file,
			&(struct guest_mem){ .ram = (struct guest_ram *)ram, .bytes = LIMIT_GPA });
	free(ram);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file file = { .path = "fuzz",
				 .bytes = malloc(size ? size : 1),
				 .nr_bytes = size };
	struct elf_image image;
	struct error err;

	if (file.bytes && size) {
		memcpy(file.bytes, data, size);
		if (elf_image_parse(&file, LIMIT_GPA, &image, &err) == 0)
			check_and_load(&image, &file);
		else
			must_hold(err.status == EXIT_USAGE && err.text[0] &&
					  !strchr(err.text, '\n'),
				  "what is refused is explained in a line");
	}
	elf_file_finish(&file);
	return 0;
}
