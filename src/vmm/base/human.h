/* SPDX-License-Identifier: MIT */
/* Figures as people like to read them: three digits that count, and a unit. Pure. */
#ifndef VMM_HUMAN_H
#define VMM_HUMAN_H

#include <stdint.h>

struct human {
	char text[32];
};

struct human human_time(uint64_t ns);	  /* "950 ns", "1.23 us", "40.1 ms", "2.00 s" */
struct human human_size(uint64_t bytes);  /* "64M", "1G", "4097": as --mem takes it */
struct human human_count(uint64_t count); /* "1,234,567" */
struct human human_rate(double per_s);	  /* "0.123", "45.6", "1,235" */
struct human human_ratio(double ratio);	  /* "44.1x", "0.45x", "1/164"; "-" if it is no number */
struct human human_share(uint64_t part, uint64_t whole); /* "12.3%"; "-" if whole is 0 */

#endif
