/* What a plugin may ask of the worker. */
#ifndef MILLSTREAM_HOST_H
#define MILLSTREAM_HOST_H

#include "config.h"
#include "record.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- log: lines carry connector and task by themselves. Never log data. */

typedef enum ms_level { MS_TRACE = 0, MS_DEBUG, MS_INFO, MS_WARN, MS_ERROR } ms_level;

/* Whether a line of this level would be kept. */
bool ms_log_enabled(ms_level level);
void ms_log(ms_level level, const char *format, ...) MS_PRINTF(2, 3);
#define ms_debug(...) ms_log(MS_DEBUG, __VA_ARGS__)
#define ms_info(...) ms_log(MS_INFO, __VA_ARGS__)
#define ms_warn(...) ms_log(MS_WARN, __VA_ARGS__)

/* ---- metrics and progress: shown at /metrics, with the names of connector and task, and beside the task's status */

typedef enum ms_metric_kind {
    /* A sum that never goes back: `millstream_plugin_counter_NAME_total`. */
    MS_COUNTER = 0,
    /* How much there is of something: `millstream_plugin_gauge_NAME`. */
    MS_GAUGE = 1
} ms_metric_kind;

/* Says what a metric is before it has a value; `help` is a sentence. Names have ASCII letters, digits and `_`. */
ms_status ms_metric_declare(ms_call *call, const char *name, ms_metric_kind kind, const char *help);
/* Adds to a counter: a finite number that is not negative. */
ms_status ms_metric_count(ms_call *call, const char *name, double more);
/* Sets a gauge to a finite number. */
ms_status ms_metric_gauge(ms_call *call, const char *name, double value);

/* How far one piece of work has come. */
typedef struct ms_progress {
    double done;
    /* With `has_total`: how much there is to do. */
    double total;
    bool has_total;
    /* What is counted, in the plural: "rows", "bytes", "files". */
    const char *unit;
} ms_progress;

/* How far the task has come with `what` (a table, a file); NULL when it is through, or has given up. */
ms_status ms_report_progress(ms_call *call, const char *what, const ms_progress *now);

/* ---- waiting */

/* Waits up to a time without burning the deadline of the call. True as soon as the connector or task is asked to stop: return
 * from the callback then. */
bool ms_wait(uint32_t ms);
/* Said by a source task that returns nothing from `poll`: there will be nothing for so long. Said within `task_configs`: ask for
 * them again after so long. */
void ms_rest(uint32_t ms);

/* ---- files that keys open */

typedef struct ms_file ms_file;

/* Opens the file that the value of a key names; it is closed with the instance or by ms_file_close. NULL in `file` if a file for
 * reading does not exist. */
ms_status ms_file_open(ms_call *call, const char *key, ms_file **file);
void ms_file_close(ms_file *file);
/* Up to `max` bytes from the current position; empty at the end of what is there now. */
ms_status ms_file_read(ms_call *call, ms_file *file, uint32_t max, ms_bytes *bytes);
/* Size in bytes at this moment; `known` is false for a stream. */
ms_status ms_file_size(ms_call *call, ms_file *file, uint64_t *size, bool *known);
/* Sets the position of the next read. */
ms_status ms_file_seek(ms_call *call, ms_file *file, uint64_t position);
/* Appends all of the bytes, or fails having appended a part of them. */
ms_status ms_file_write(ms_call *call, ms_file *file, ms_bytes bytes);
ms_status ms_file_truncate(ms_call *call, ms_file *file, uint64_t length);
/* Returns when everything written is on disk. */
ms_status ms_file_sync(ms_call *call, ms_file *file);
/* Said beside ms_rest: the rest is over as soon as there are bytes behind the current position. False if the host cannot tell. */
bool ms_file_ends_rest(ms_file *file);

/* ---- sources */

/* The stored offset of a source partition (a map): that of the newest record which it and everything before it have ended; null
 * where nothing is stored. Whole numbers come back as INT64. */
ms_status ms_stored_offset(ms_call *call, const ms_value *partition, ms_value *offset);
ms_status ms_stored_offsets(ms_call *call, const ms_value *partitions, size_t count, ms_value **offsets);

/* Whether the task ends its transactions itself (`transaction.boundary=connector`). */
bool ms_transaction_available(void);
/* Within `poll`: ends the transaction behind a row of what it returns, or behind all of it with MS_BEHIND_ALL. With `commit` false
 * nobody sees its records, whose offsets are stored all the same. */
#define MS_BEHIND_ALL UINT32_MAX
void ms_end_transaction(ms_call *call, uint32_t behind, bool commit);

/* ---- connectors */

/* Asks for `task_configs` to be called again soon. */
void ms_request_task_reconfiguration(void);
/* Fails the connector with what ms_fail has said; its tasks go on. */
void ms_raise_error(ms_call *call);

/* ---- sinks */

typedef struct ms_topic_partition {
    ms_str topic;
    uint32_t partition;
} ms_topic_partition;

/* A position: the offset of the next record. */
typedef struct ms_topic_offset {
    ms_str topic;
    uint32_t partition;
    uint64_t offset;
} ms_topic_offset;

/* Partitions assigned to the task, in the call's arena. */
size_t ms_assignment(ms_call *call, const ms_topic_partition **partitions);
/* Continues at these offsets before the next records are delivered; within `open`, where the partitions begin. */
void ms_seek(const ms_topic_offset *offsets, size_t count);
/* Delivers nothing from these partitions until they are resumed. */
ms_status ms_pause(ms_call *call, const ms_topic_partition *partitions, size_t count);
ms_status ms_resume(ms_call *call, const ms_topic_partition *partitions, size_t count);
/* Shortens the time until the next `put`, once. */
void ms_timeout(uint32_t ms);
/* Commits offsets as soon as possible. */
void ms_request_commit(void);
/* Hands the rows that were failed with ms_fail_row so far to the error policy of the task; fails if it tolerates none: return
 * that from `put`. What was not reported by then is when `put` returns. */
ms_status ms_report(ms_records *records);

/* A record that a sink writes to a topic as it is; absent bytes are null. */
typedef struct ms_topic_report {
    ms_bytes key, value;
    const struct ms_report_header {
        ms_str key;
        ms_bytes value;
    } *headers;
    size_t n_headers;
} ms_topic_report;

/* Appends at most 10,000 records to the topic that the value of a key names. Returns when all are durable. */
ms_status ms_write_reports(ms_call *call, const char *key, const ms_topic_report *reports, size_t count);

/* ---- the lease: one owner at a time among the tasks of a connector, for plugins with `wants_lease` */

/* Makes this task the owner, whoever was before; `epoch` is higher than that of every owner before. */
ms_status ms_lease_obtain(ms_call *call, uint64_t *epoch);
/* Fails if the task was not the owner at any moment after the call. */
ms_status ms_lease_confirm(ms_call *call, uint64_t epoch);
/* All keys that have a value, in ascending order. */
ms_status ms_lease_keys(ms_call *call, ms_strs *keys);
/* The value that an owner has kept under a key; absent for none. */
ms_status ms_lease_get(ms_call *call, const char *key, ms_bytes *value);

typedef struct ms_key_change {
    ms_str key;
    /* Absent removes the key. */
    ms_bytes value;
} ms_key_change;

/* Changes values, all together or none. Returns when they are durable and count. */
ms_status ms_lease_write(ms_call *call, uint64_t epoch, const ms_key_change *changes, size_t count);
/* Whether the failure says that the task does not own the lease. */
bool ms_is_lease_lost(const ms_error *error);

#ifdef __cplusplus
}
#endif

#endif
