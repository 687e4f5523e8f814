/* SPDX-License-Identifier: MIT */
/* The file of --record and --replay: printing and reading. */
#include "vmm/replay/schedule_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli/names.h"
#include "vmm/cli/options_format.h"
#include "vmm/cli/parse.h"

#define LINE_BYTES  (MV_ARGS_BYTES + 64)
#define LAST_PHASE  "end"
#define TIME_MAX_NS (1ull << 62) /* so that times can be added */

static const char *mechanism_of(const struct schedule_file *file, unsigned i)
{
	return mechanism_names.name[file->mechanism[i]];
}

/* ---- printing ------------------------------------------------------------------- */

static void take_option(void *context, const char *name, const char *value)
{
	static const char *const in_head[] = { "vms", "vcpus", "pcpus", "shootdown" };
	struct schedule_file *file = context;

	for (unsigned i = 0; i < sizeof(in_head) / sizeof(in_head[0]); i++) {
		if (strcmp(name, in_head[i]) == 0)
			return;
	}
	struct schedule_option *option = &file->option[file->nr_options++];
	option->name = name;
	snprintf(option->value, sizeof(option->value), "%s", value);
}

void schedule_file_describe(struct schedule_file *ret_file, const struct options *o)
{
	struct schedule_file *file = ret_file;

	*file = (struct schedule_file){
		.nr_vms = o->nr_vms,
		.nr_vcpus = o->nr_vcpus,
		.nr_pcpus = o->pcpus.nr,
		.nr_mechanisms = o->nr_mechanisms,
	};
	memcpy(file->mechanism, o->mechanism, sizeof(file->mechanism));
	memcpy(file->guest_args, o->guest_args, sizeof(file->guest_args));
	options_visit(o, true, take_option, file);
}

static void print_head(FILE *out, const struct schedule_file *file)
{
	fprintf(out, SCHEDULE_SCHEMA "\nvms %u\nvcpus %u\npcpus %u\nshootdown ", file->nr_vms,
		file->nr_vcpus, file->nr_pcpus);
	for (unsigned i = 0; i < file->nr_mechanisms; i++)
		fprintf(out, "%s%s", i ? "," : "", mechanism_of(file, i));
	fprintf(out, "\nguest-sha256 %s\n", file->guest_sha256);
	for (unsigned i = 0; i < file->nr_options; i++)
		fprintf(out, "option %s%s%s\n", file->option[i].name,
			*file->option[i].value ? " " : "", file->option[i].value);
	if (file->guest_args[0])
		fprintf(out, "arguments %s\n", file->guest_args);
	fprintf(out, "entries %zu\n", file->log.nr);
}

static void print_entry(FILE *out, const struct schedule_file *file, size_t k)
{
	const struct schedule_entry *e = &file->log.entry[k];

	if (e->end == SLICE_begins_phase)
		fprintf(out, "%zu phase %s\n", k + 1,
			e->vcpu < file->nr_mechanisms ? mechanism_of(file, e->vcpu) : LAST_PHASE);
	else
		fprintf(out, "%zu %u %u.%u %" PRIu64 " %" PRIu64 " %s\n", k + 1, e->pcpu,
			e->vcpu / file->nr_vcpus, e->vcpu % file->nr_vcpus, e->start_ns, e->ran_ns,
			slice_end_name(e->end));
}

int schedule_file_print(FILE *out, const struct schedule_file *file)
{
	print_head(out, file);
	for (size_t k = 0; k < file->log.nr; k++)
		print_entry(out, file, k);
	fputs("end\n", out);
	return ferror(out) ? -1 : 0;
}

/* ---- lines ----------------------------------------------------------------------- */

struct reader {
	FILE *in;
	const char *path;
	unsigned long line_nr;
	char line[LINE_BYTES];
	char *rest; /* of the line, behind the words that were taken */
	struct error *err;
};

static int bad_line(struct reader *r, const char *why)
{
	return error_set(r->err, EXIT_USAGE, "--replay '%s', line %lu: %s", r->path, r->line_nr,
			 why);
}

/* The next line without its end. A last line that has none was cut off. */
static int read_line(struct reader *r)
{
	r->line_nr++;
	if (!fgets(r->line, sizeof(r->line), r->in))
		return bad_line(r, ferror(r->in) ? "cannot be read"
						 : "is missing: the file is not whole");
	size_t length = strlen(r->line);
	if (length == 0 || r->line[length - 1] != '\n')
		return bad_line(r, "does not end, or is too long");
	r->line[length - 1] = 0;
	r->rest = r->line;
	return 0;
}

/* The next word of the line; "" behind the last. */
static const char *take_word(struct reader *r)
{
	char *word = strsep(&r->rest, " ");

	return word ? word : "";
}

static bool is_at_end(const struct reader *r)
{
	return !r->rest;
}

/* A whole word that is a number below `limit`. */
static int take_number(struct reader *r, const char *word, uint64_t limit, uint64_t *ret_number)
{
	uint64_t number;

	if (parse_number(word, &number) || number >= limit)
		return bad_line(r, "a number is missing, or out of range");
	*ret_number = number;
	return 0;
}

/* ---- the head ---------------------------------------------------------------------- */

/* A line "KEY N", where N is at least 1. */
static int read_count(struct reader *r, const char *key, unsigned max, unsigned *ret_count)
{
	uint64_t number = 0;

	if (read_line(r))
		return -1;
	if (strcmp(take_word(r), key) != 0)
		return bad_line(r, "another line is due here");
	if (take_number(r, take_word(r), max + 1ull, &number))
		return -1;
	if (number == 0 || !is_at_end(r))
		return bad_line(r, "a number from 1 on is due here");
	*ret_count = (unsigned)number;
	return 0;
}

static int read_mechanisms(struct reader *r, struct schedule_file *file)
{
	struct word_list words;

	if (read_line(r))
		return -1;
	if (strcmp(take_word(r), "shootdown") != 0 || !r->rest ||
	    parse_word_list(r->rest, &words) || words.nr > MV_MAX_MECHANISMS)
		return bad_line(r, "a list of mechanisms is due here");
	file->nr_mechanisms = words.nr;
	for (unsigned i = 0; i < words.nr; i++) {
		int index = name_table_index(&mechanism_names, words.word[i]);

		if (index < 0)
			return bad_line(r, "there is no such mechanism");
		file->mechanism[i] = (enum mechanism_id)index;
	}
	return 0;
}

static int read_hash(struct reader *r, struct schedule_file *file)
{
	if (read_line(r))
		return -1;
	if (strcmp(take_word(r), "guest-sha256") != 0 || !r->rest ||
	    strlen(r->rest) != SHA256_TEXT_BYTES - 1 ||
	    strspn(r->rest, "0123456789abcdef") != SHA256_TEXT_BYTES - 1)
		return bad_line(r, "the SHA-256 of the guest is due here");
	memcpy(file->guest_sha256, r->rest, SHA256_TEXT_BYTES);
	return 0;
}

/* "option NAME [VALUE]". Whether the value is good is for the parser of options to say. */
static int read_option(struct reader *r, struct schedule_file *file)
{
	struct schedule_option *option = &file->option[file->nr_options];

	if (file->nr_options == SCHEDULE_MAX_OPTIONS)
		return bad_line(r, "there are too many options");
	option->name = options_find_visited(take_word(r));
	if (!option->name)
		return bad_line(r, "there is no such option");
	const char *value = r->rest ? r->rest : "";
	if (!*value != options_visited_is_flag(option->name) ||
	    strlen(value) >= sizeof(option->value))
		return bad_line(r, "the option has no value, or one too many or too long");
	memcpy(option->value, value, strlen(value) + 1);
	file->nr_options++;
	return 0;
}

static int read_arguments(struct reader *r, struct schedule_file *file)
{
	if (file->guest_args[0] || !r->rest || strlen(r->rest) >= sizeof(file->guest_args))
		return bad_line(r, "the guest's arguments are missing, or too long");
	memcpy(file->guest_args, r->rest, strlen(r->rest) + 1);
	return 0;
}

static int read_nr_entries(struct reader *r, uint64_t *ret_entries)
{
	if (take_number(r, take_word(r), SCHEDULE_MAX_ENTRIES + 1ull, ret_entries))
		return -1;
	return is_at_end(r) ? 0 : bad_line(r, "has too many words");
}

/* Lines in any order, up to the one that says how many entries follow. */
static int read_options(struct reader *r, struct schedule_file *file, uint64_t *ret_entries)
{
	for (;;) {
		if (read_line(r))
			return -1;
		const char *key = take_word(r);
		if (strcmp(key, "entries") == 0)
			return read_nr_entries(r, ret_entries);
		int failed = strcmp(key, "option") == 0	     ? read_option(r, file)
			     : strcmp(key, "arguments") == 0 ? read_arguments(r, file)
							     : bad_line(r, "is none of a head");
		if (failed)
			return -1;
	}
}

static int read_head(struct reader *r, struct schedule_file *file, uint64_t *ret_entries)
{
	if (read_line(r))
		return -1;
	if (strcmp(r->line, SCHEDULE_SCHEMA) != 0)
		return bad_line(r, "this is no schedule that this minivmm understands "
				   "(" SCHEDULE_SCHEMA ")");
	if (read_count(r, "vms", MAX_VMS, &file->nr_vms) ||
	    read_count(r, "vcpus", MV_MAX_VCPUS, &file->nr_vcpus) ||
	    read_count(r, "pcpus", MAX_PCPUS, &file->nr_pcpus) || read_mechanisms(r, file) ||
	    read_hash(r, file))
		return -1;
	return read_options(r, file, ret_entries);
}

/* ---- entries ------------------------------------------------------------------------- */

static int read_phase(struct reader *r, const struct schedule_file *file,
		      struct schedule_entry *ret_entry)
{
	const char *name = take_word(r);

	*ret_entry = (struct schedule_entry){ .end = SLICE_begins_phase,
					      .vcpu = SCHEDULE_NO_PHASE };
	for (unsigned i = 0; i < file->nr_mechanisms; i++) {
		if (strcmp(mechanism_of(file, i), name) == 0)
			ret_entry->vcpu = i;
	}
	if (ret_entry->vcpu == SCHEDULE_NO_PHASE && strcmp(name, LAST_PHASE) != 0)
		return bad_line(r, "there is no such phase");
	return 0;
}

/* "VM.VCPU" */
static int take_vcpu(struct reader *r, const struct schedule_file *file, uint32_t *ret_vcpu)
{
	char *word = (char *)take_word(r), *vm_word = strsep(&word, ".");
	uint64_t vm = 0, vcpu = 0;

	if (take_number(r, vm_word, file->nr_vms, &vm) ||
	    take_number(r, word ? word : "", file->nr_vcpus, &vcpu))
		return -1;
	*ret_vcpu = (uint32_t)(vm * file->nr_vcpus + vcpu);
	return 0;
}

static int read_slice(struct reader *r, const struct schedule_file *file, uint64_t pcpu,
		      struct schedule_entry *ret_entry)
{
	struct schedule_entry e = { .pcpu = (uint16_t)pcpu };

	if (take_vcpu(r, file, &e.vcpu) || take_number(r, take_word(r), TIME_MAX_NS, &e.start_ns) ||
	    take_number(r, take_word(r), TIME_MAX_NS, &e.ran_ns))
		return -1;
	int end = slice_end_find(take_word(r));
	if (end < 0 || end == SLICE_begins_phase)
		return bad_line(r, "a slice does not end so");
	e.end = (uint16_t)end;
	*ret_entry = e;
	return 0;
}

/* Line number `k` of the entries: "K phase NAME", or "K PCPU VM.VCPU START RAN END". */
static int read_entry(struct reader *r, struct schedule_file *file, uint64_t k)
{
	struct schedule_entry e = { 0 };
	uint64_t number = 0, pcpu = 0;

	if (read_line(r) || take_number(r, take_word(r), SCHEDULE_MAX_ENTRIES + 1ull, &number))
		return -1;
	if (number != k)
		return bad_line(r, "is not the entry whose turn it is");
	const char *word = take_word(r);
	int failed = strcmp(word, "phase") == 0 ? read_phase(r, file, &e)
						: take_number(r, word, file->nr_pcpus, &pcpu) ||
							  read_slice(r, file, pcpu, &e);
	if (failed)
		return -1;
	if (!is_at_end(r))
		return bad_line(r, "has too many words");
	if (schedule_log_add(&file->log, &e) == SCHEDULE_NO_ENTRY)
		return error_set(r->err, EXIT_HOST, "not enough memory for the schedule in '%s'",
				 r->path);
	return 0;
}

static int read_all(struct reader *r, struct schedule_file *file)
{
	uint64_t nr_entries = 0;

	if (read_head(r, file, &nr_entries))
		return -1;
	for (uint64_t k = 1; k <= nr_entries; k++) {
		if (read_entry(r, file, k))
			return -1;
	}
	if (read_line(r))
		return -1;
	if (strcmp(r->line, "end") != 0 || fgetc(r->in) != EOF)
		return bad_line(r, "there is more than the head counts");
	return 0;
}

int schedule_file_read(FILE *in, const char *path, struct schedule_file *ret_file,
		       struct error *err)
{
	struct reader r = { .in = in, .path = path, .err = err };
	struct schedule_file *file = ret_file;

	*file = (struct schedule_file){ 0 };
	if (read_all(&r, file) == 0)
		return 0;
	schedule_file_finish(file);
	return -1;
}

void schedule_file_finish(struct schedule_file *file)
{
	schedule_log_finish(&file->log);
}
