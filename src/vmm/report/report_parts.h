/* SPDX-License-Identifier: MIT */
/* Parts of a report that other commands print too. */
#ifndef VMM_REPORT_PARTS_H
#define VMM_REPORT_PARTS_H

#include <json-c/json.h>
#include <stdio.h>

#include "vmm/host/host_info.h"
#include "vmm/host/selfcheck.h"

/* The members "host" and "selfcheck" of docs/json-schema.md. The caller owns them. */
json_object *report_host_json(const struct host_info *host);
json_object *report_selfcheck_json(const struct selfcheck *check);

/* What every primitive was seen to do, a line each. */
void report_print_selfcheck(FILE *out, const struct selfcheck *check);

#endif
