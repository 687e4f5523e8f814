/* SPDX-License-Identifier: MIT */
/* Figures as people like to read them. */
#include "vmm/base/human.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* How many decimals leave three significant digits; 999.5 already counts as 1000. */
static int decimals(double value)
{
	if (value < 9.995)
		return 2;
	return value < 99.95 ? 1 : 0;
}

struct human human_time(uint64_t ns)
{
	static const char *const unit[] = { "us", "ms", "s" };
	struct human h;
	double value = (double)ns / 1000;
	unsigned i = 0;

	if (ns < 1000) {
		snprintf(h.text, sizeof(h.text), "%" PRIu64 " ns", ns);
		return h;
	}
	for (; i < 2 && value >= 999.5; i++)
		value /= 1000;
	snprintf(h.text, sizeof(h.text), "%.*f %s", decimals(value), value, unit[i]);
	return h;
}

struct human human_size(uint64_t bytes)
{
	static const char unit[] = { 0, 'K', 'M', 'G' };
	struct human h;
	unsigned i = 0;

	for (; i < 3 && bytes && bytes % 1024 == 0; i++)
		bytes /= 1024;
	snprintf(h.text, sizeof(h.text), "%" PRIu64 "%.*s", bytes, i > 0, &unit[i]);
	return h;
}

struct human human_count(uint64_t count)
{
	struct human h;
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *to = h.text;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = 0;
	return h;
}

struct human human_rate(double per_s)
{
	struct human h = { "-" };

	if (!isfinite(per_s) || per_s < 0 || per_s > 1e18)
		return h;
	if (per_s >= 99.95)
		return human_count((uint64_t)(per_s + 0.5));
	if (per_s < 0.9995)
		snprintf(h.text, sizeof(h.text), "%.3f", per_s);
	else
		snprintf(h.text, sizeof(h.text), "%.*f", decimals(per_s), per_s);
	return h;
}

struct human human_ratio(double ratio)
{
	struct human h = { "-" };

	if (!isfinite(ratio) || ratio < 0)
		return h;
	if (ratio > 0 && ratio < 0.1) /* 1/656 says more than 0.0015 */
		snprintf(h.text, sizeof(h.text), "1/%.29s", human_rate(1 / ratio).text);
	else if (ratio < 0.9995)
		snprintf(h.text, sizeof(h.text), "%#.2gx", ratio);
	else
		snprintf(h.text, sizeof(h.text), "%.*fx", decimals(ratio), ratio);
	return h;
}

struct human human_share(uint64_t part, uint64_t whole)
{
	struct human h = { "-" };

	if (whole > 0)
		snprintf(h.text, sizeof(h.text), "%.1f%%", 100.0 * (double)part / (double)whole);
	return h;
}
