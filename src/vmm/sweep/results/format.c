/* SPDX-License-Identifier: MIT */
/* Medians with their intervals, in words and figures. */
#include "vmm/sweep/results/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/human.h"

/* Three digits that count, but never an exponent. */
static void print_plain(struct figure_text *f, double value)
{
	int decimals = fabs(value) >= 100    ? 0
		       : fabs(value) >= 10   ? 1
		       : fabs(value) >= 0.1  ? 2
		       : fabs(value) >= 0.01 ? 3
					     : 4;

	snprintf(f->text, sizeof(f->text), "%.*f", value == 0 ? 0 : decimals, value);
}

struct figure_text format_number(double value, enum quantity quantity)
{
	struct figure_text f = { "-" };

	if (!isfinite(value))
		return f;
	switch (quantity) {
	case QUANTITY_RATIO:
		print_plain(&f, value);
		break;
	case QUANTITY_SHARE:
		print_plain(&f, 100 * value);
		strcat(f.text, "%");
		break;
	case QUANTITY_RATE:
		snprintf(f.text, sizeof(f.text), "%s", human_rate(value).text);
		break;
	case QUANTITY_TIME_NS:
		snprintf(f.text, sizeof(f.text), "%s", human_time((uint64_t)value).text);
		break;
	}
	return f;
}

/* The unit behind a number: " us", "%", or "". */
static const char *unit_of(const char *text)
{
	return text + strspn(text, "0123456789.,-");
}

struct figure_text format_range(const struct interval *interval, enum quantity quantity)
{
	struct figure_text f = { "" };
	struct figure_text low = format_number(interval->low, quantity);
	struct figure_text high = format_number(interval->high, quantity);

	if (interval->nr < 2 || interval->low == interval->high)
		return f;
	if (strcmp(unit_of(low.text), unit_of(high.text)) == 0)
		low.text[unit_of(low.text) - low.text] = 0;
	snprintf(f.text, sizeof(f.text), "%.28s to %.28s", low.text, high.text);
	return f;
}

struct figure_text format_interval(const struct interval *interval, enum quantity quantity)
{
	struct figure_text f = format_number(interval->median, quantity);
	struct figure_text range = format_range(interval, quantity);
	size_t used = strlen(f.text);

	if (range.text[0])
		snprintf(f.text + used, sizeof(f.text) - used, " [%.40s]", range.text);
	return f;
}

struct figure_text format_duration(double seconds)
{
	struct figure_text f;
	unsigned long s = (unsigned long)(seconds + 0.5);

	if (s >= 3600)
		snprintf(f.text, sizeof(f.text), "%luh%02lum", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(f.text, sizeof(f.text), "%lum%02lus", s / 60, s % 60);
	else
		snprintf(f.text, sizeof(f.text), "%lus", s);
	return f;
}
