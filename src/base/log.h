/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/slice.h"

/*
 * The structured log: one line per event on stderr, as JSON or as text. A line has a time, a level,
 * a name in snake_case that metrics share, and fields. Request, event, alert and delivery carry one
 * correlation id in the field "cid". Secrets never come here: a struct secret has no field macro.
 *
 *   log_info("server_listening", log_str("addr", addr), log_int("port", port));
 *
 * Any thread. A line is one write(2); lines over LOG_LINE_BYTES_MAX are cut and marked.
 */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVELS };
enum log_format { LOG_JSON, LOG_TEXT };

#define LOG_LINE_BYTES_MAX 4096 /* PIPE_BUF: one write stays one line in a pipe */

enum log_type { LOG_END, LOG_STR, LOG_INT, LOG_BOOL };
struct log_field {
	enum log_type type;
	const char *key;
	struct slice str;
	int64_t num;
};

#define log_str(k, v) ((struct log_field) { LOG_STR, (k), slice_of(v), 0 })
#define log_slice(k, v) ((struct log_field) { LOG_STR, (k), (v), 0 })
#define log_int(k, v) ((struct log_field) { LOG_INT, (k), { 0 }, (int64_t)(v) })
#define log_bool(k, v) ((struct log_field) { LOG_BOOL, (k), { 0 }, (v) })

#define log_at(level, name, ...) \
	log_write((level), (name), \
		  (const struct log_field[]) { __VA_ARGS__ __VA_OPT__(, ) { .type = LOG_END } })
#define log_debug(name, ...) log_at(LOG_DEBUG, name __VA_OPT__(, ) __VA_ARGS__)
#define log_info(name, ...) log_at(LOG_INFO, name __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(name, ...) log_at(LOG_WARN, name __VA_OPT__(, ) __VA_ARGS__)
#define log_error(name, ...) log_at(LOG_ERROR, name __VA_OPT__(, ) __VA_ARGS__)

/* Process-wide; before threads start. Default: LOG_INFO, LOG_TEXT on stderr. */
void log_setup(enum log_level least, enum log_format format, int fd);
typedef void log_tap_fn(void *arg, const char *name, const struct log_field *fields);
/*
 * Show every line of level error to fn too, whatever is written, on the thread that has the error;
 * NULL ends that. fn must not wait, and must not log errors. Process-wide; while no other thread
 * logs.
 */
void log_tap(log_tap_fn *fn, void *arg);
/* Whether a line of this level is written at all. */
bool log_on(enum log_level level);
/* fields end with a LOG_END. Prefer the macros. */
void log_write(enum log_level level, const char *name, const struct log_field *fields);
/* "debug", "info", "warn", "error". */
const char *log_level_name(enum log_level level);

#endif
