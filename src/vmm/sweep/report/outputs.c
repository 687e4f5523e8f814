/* SPDX-License-Identifier: MIT */
/* Writes everything that is made from the finished runs of a sweep. */
#include "vmm/sweep/report/outputs.h"

#include <stdio.h>
#include <stdlib.h>

#include "vmm/sweep/plan/folder.h"
#include "vmm/sweep/report/charts.h"
#include "vmm/sweep/report/report_html.h"
#include "vmm/sweep/report/summary_text.h"

/* Takes the text, which is freed. */
static int write_made(const char *dir, const char *name, char *text, struct error *err)
{
	struct folder_path path = folder_path(dir, "%s", name);
	int result = text ? file_write_text(path.text, text, err)
			  : error_set(err, EXIT_HOST, "not enough memory for %s", name);

	free(text);
	return result;
}

int outputs_make(const char *dir, const struct results *r, bool quiet, struct error *err)
{
	struct charts charts;

	if (write_made(dir, "results.json", results_make_json(r), err) ||
	    write_made(dir, "results.csv", results_make_csv(r), err) ||
	    charts_make(dir, r, &charts, err))
		return -1;
	int failed = write_made(dir, "report.html", report_make_html(dir, r, &charts), err);
	if (!failed && !quiet) {
		if (charts.missing[0])
			fprintf(stderr, "minivmm: no charts: %s\n", charts.missing);
		summary_print(stdout, r);
		printf("see %s\n", folder_path(dir, "report.html").text);
	}
	charts_finish(&charts);
	return failed;
}

enum exit_status outputs_status(const struct results *r)
{
	for (unsigned c = 0; c < r->plan->nr_cells; c++) {
		if (r->cell[c].failed)
			return EXIT_FAIL;
	}
	return r->nr_valid == r->nr_finished ? EXIT_PASS : EXIT_INCONCLUSIVE;
}
