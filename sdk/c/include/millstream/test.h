/* Tests without a host: a plugin runs natively, and what stands in for the host keeps files, offsets and waits in memory.
 *
 * A test is a program. It links src/native beside the rest of the SDK (README.md has the command), calls ms_test_begin, makes plugins
 * by their class names, and looks at what came of them. Whatever the functions return lives until ms_test_end. */
#ifndef MILLSTREAM_TEST_H
#define MILLSTREAM_TEST_H

#include "../millstream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fails the test with file and line. */
#define MS_CHECK(condition) ((condition) ? (void)0 : ms_test_fail(#condition, __FILE__, __LINE__))
/* The same for two texts, which it shows. */
#define MS_CHECK_TEXT(found, expected) ms_test_check_text((found), (expected), __FILE__, __LINE__)
MS_NORETURN void ms_test_fail(const char *condition, const char *file, int line);
void ms_test_check_text(ms_str found, const char *expected, const char *file, int line);

/* A host that knows nothing yet. */
void ms_test_begin(void);
/* Drops plugins and memory. */
void ms_test_end(void);
ms_arena *ms_test_arena(void);
/* A call for functions that want one; its `error` says what failed. */
ms_call *ms_test_call(void);

/* Settings as key and value in turn, ended by NULL: MS_SETTINGS("topic", "ticks"). */
#define MS_SETTINGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define MS_NO_SETTINGS ((const char *const[]){ NULL })

/* A task, started; a predicate or converter, configured. */
typedef struct ms_instance ms_test_plugin;

/* What a call has made. */
typedef struct ms_test_outcome {
    ms_status status;
    /* With MS_FAILED. */
    ms_error error;
    /* The records of the batch, its deselected rows left out. */
    const ms_record *records;
    size_t n_records;
    /* Rows that failed. */
    const ms_row_error *errors;
    size_t n_errors;
    /* Whether the batch was changed (transforms, converters). */
    bool changed;
} ms_test_outcome;

/* NULL and a failure in `error`, which may be NULL itself: then the test fails. */
ms_test_plugin *ms_test_task(ms_kind kind, const char *class_name, const char *const *settings, ms_error *error);
ms_test_plugin *ms_test_predicate(const char *class_name, const char *const *settings, ms_error *error);
ms_test_plugin *ms_test_converter(const char *class_name, ms_role_of_converter role, const char *const *settings, ms_error *error);

/* Each batch that comes of these is checked as the host would. */
ms_test_outcome ms_test_poll(ms_test_plugin *task, ms_poll_limits limits);
ms_test_outcome ms_test_open(ms_test_plugin *task, const ms_topic_partition *partitions, size_t count);
ms_test_outcome ms_test_put(ms_test_plugin *task, const ms_record *records, size_t count);
/* pre_commit of these offsets, or flush. */
ms_test_outcome ms_test_flush(ms_test_plugin *task);
ms_test_outcome ms_test_stop(ms_test_plugin *task);
/* Sets `holds[i]` for each record. */
ms_test_outcome ms_test_holds(ms_test_plugin *predicate, const ms_record *records, size_t count, bool *holds);
ms_test_outcome ms_test_convert(ms_test_plugin *converter, bool to_connect, const ms_record *records, size_t count);

/* A transform of a chain, with its predicate if there is one. */
typedef struct ms_test_link {
    const char *class_name;
    const char *const *settings;
    const char *predicate;
    const char *const *predicate_settings;
    bool negate;
} ms_test_link;

/* Makes a chain and runs it over the records; `only` is a bitmap of the rows that are meant, NULL for all. */
ms_test_outcome ms_test_transform(const ms_test_link *links, size_t n_links, const uint8_t *only, const ms_record *records, size_t count);

/* The JSON of `describe`, and of a connector's `validate`. */
ms_str ms_test_describe(void);
ms_test_outcome ms_test_validate(ms_kind kind, const char *class_name, const char *const *settings, ms_str *json);
/* A connector's configurations for tasks: `n_records` says how many; the settings of one are shown as `key=value` between commas. */
ms_test_outcome ms_test_task_configs(ms_kind kind, const char *class_name, const char *const *settings, uint32_t max_tasks, const ms_str **shown);

/* ---- what stands in for the host */

/* The file that the value of a key names. */
void ms_test_file(const char *key, ms_bytes content);
ms_bytes ms_test_file_content(const char *key);
/* Stored offsets, both as JSON objects. */
void ms_test_store_offset(const char *partition, const char *offset);
/* From now on every wait says that the task is to stop. */
void ms_test_ask_to_stop(void);
/* Lets the source task end its transactions. */
void ms_test_let_end_transactions(void);
void ms_test_assign(const ms_topic_partition *partitions, size_t count);
/* Reports of rows fail with these words. */
void ms_test_refuse_reports(const char *message);
/* Another task obtains the lease. */
void ms_test_take_lease(void);
ms_bytes ms_test_kept(const char *key);
void ms_test_keep(const char *key, ms_bytes value);
/* Answers HTTP requests: fills the response, or returns words such as `timeout: nobody answers`. */
typedef const char *(*ms_test_server)(const ms_http_request *request, ms_http_response *response);
void ms_test_serve(ms_test_server server);

/* All that was asked for, in order, a line each: `log INFO words`, `wait 250`, `rest 1000`, `report 1 words`, `seek t-0@5`,
 * `pause t-0`, `resume t-0`, `timeout 5`, `request-commit`, `reconfigure`, `raise words`, `write KEY value`, `commit 3`, `abort all`,
 * `count NAME 1.0`, `gauge NAME 2.5`, `progress WHAT 3.0 rows of 9.0`. */
ms_str ms_test_heard(void);
void ms_test_forget(void);

#ifdef __cplusplus
}
#endif

#endif
