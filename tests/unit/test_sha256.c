/* SPDX-License-Identifier: MIT */
/* SHA-256 against the examples of FIPS 180-2 and lengths around a block's end. */
#include "unit.h"

#include <string.h>

#include "vmm/base/sha256.h"

START_TEST(known_texts_have_their_known_hashes)
{
	static const struct {
		const char *text, *hash;
	} table[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char text[SHA256_TEXT_BYTES];

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		sha256_text((const uint8_t *)table[i].text, strlen(table[i].text), text);
		ck_assert_str_eq(text, table[i].hash);
	}
}
END_TEST

/* As sha256sum says. */
START_TEST(lengths_around_the_end_of_a_block_count)
{
	static const struct {
		size_t length;
		const char *hash;
	} table[] = {
		{ 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318" },
		{ 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a" },
		{ 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb" },
		{ 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
	};
	static uint8_t data[1000000];
	char text[SHA256_TEXT_BYTES];

	memset(data, 'a', sizeof(data));
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		sha256_text(data, table[i].length, text);
		ck_assert_str_eq(text, table[i].hash);
	}
}
END_TEST

#define TESTS(X)                               \
	X(known_texts_have_their_known_hashes) \
	X(lengths_around_the_end_of_a_block_count)

UNIT_SUITE(sha256, TESTS)
