/* What a component carries: a table for each plugin, and the list of them. */
#ifndef MILLSTREAM_PLUGIN_H
#define MILLSTREAM_PLUGIN_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ms_kind { MS_SOURCE = 0, MS_SINK, MS_TRANSFORM, MS_PREDICATE, MS_CONVERTER, MS_HEADER_CONVERTER } ms_kind;

/* ---- connectors */

/* Says what is wrong with the value of a key, in `validate`. */
typedef struct ms_problems ms_problems;
void ms_problem(ms_problems *problems, const char *key, const char *format, ...) MS_PRINTF(3, 4);

/* Collects the configurations of tasks. */
typedef struct ms_task_configs ms_task_configs;
/* Adds one that is the connector's own, and changes settings of it; an absent value takes the key away. */
void ms_add_task_config(ms_task_configs *configs);
void ms_set_task_config(ms_task_configs *configs, const char *key, ms_str value);

typedef enum ms_support { MS_SUPPORTED = 0, MS_UNSUPPORTED = 1, MS_UNKNOWN = 2 } ms_support;

/* A source partition with its new offset, both maps; a null offset resets. */
typedef struct ms_offset_change {
    ms_value partition, offset;
} ms_offset_change;

typedef struct ms_poll_limits {
    uint32_t max_records, max_bytes;
    /* `poll` returns by then; with nothing if there is nothing. */
    uint32_t max_wait_ms;
} ms_poll_limits;

/* A source: a connector, which divides the work, and tasks, which make records. Only `poll` has to be there. */
typedef struct ms_source {
    /* Checks beyond the table of keys. The configuration may be wrong: only `call->config->settings` are set. */
    ms_status (*validate)(ms_call *call, ms_problems *problems);
    ms_status (*connector_start)(ms_call *call);
    /* At most `max_tasks` configurations. One, the connector's own, if this is NULL. */
    ms_status (*task_configs)(ms_call *call, uint32_t max_tasks, ms_task_configs *configs);
    ms_status (*connector_stop)(ms_call *call);
    /* MS_UNKNOWN and MS_UNSUPPORTED if these are NULL. The configuration may be wrong, as in `validate`. */
    ms_status (*exactly_once_support)(ms_call *call, ms_support *support);
    ms_status (*transaction_boundaries)(ms_call *call, ms_support *support);
    /* Accepts or refuses offsets that a user sets; `done` if nothing outside the worker has to follow. */
    ms_status (*alter_offsets)(ms_call *call, const ms_offset_change *changes, size_t count, bool *done);

    ms_status (*start)(ms_call *call);
    /* The next records. A retriable failure counts as nothing; any other fails the task. */
    ms_status (*poll)(ms_call *call, const ms_poll_limits *limits, ms_collector *out);
    /* Rows that ended, with topic, partition and offset (no offset for a row that was left out); with `commit_records` only. */
    ms_status (*committed)(ms_call *call, ms_records *rows);
    /* Offsets of everything that ended before are stored. */
    ms_status (*commit)(ms_call *call);
    ms_status (*stop)(ms_call *call);
    /* The instance goes: frees what the state holds beside the SDK's memory. */
    void (*drop)(void *state);
} ms_source;

/* A partition with its new offset. */
typedef struct ms_topic_offset_change {
    ms_str topic;
    uint32_t partition;
    /* Unless set, the offset is reset. */
    bool has_offset;
    uint64_t offset;
} ms_topic_offset_change;

/* Collects offsets that may be committed; none unless the functions below say so. */
typedef struct ms_commit ms_commit;
/* Everything that pre_commit was given. */
void ms_commit_all(ms_commit *commit);
void ms_commit_offset(ms_commit *commit, ms_str topic, uint32_t partition, uint64_t offset);

/* A sink: a connector, and tasks, which take records. Only `put` has to be there. */
typedef struct ms_sink {
    ms_status (*validate)(ms_call *call, ms_problems *problems);
    ms_status (*connector_start)(ms_call *call);
    /* The connector's own for each of `max_tasks` tasks, if this is NULL. */
    ms_status (*task_configs)(ms_call *call, uint32_t max_tasks, ms_task_configs *configs);
    ms_status (*connector_stop)(ms_call *call);
    ms_status (*alter_offsets)(ms_call *call, const ms_topic_offset_change *changes, size_t count, bool *done);

    ms_status (*start)(ms_call *call);
    /* Partitions newly assigned. */
    ms_status (*open)(ms_call *call, const ms_topic_partition *partitions, size_t count);
    /* The next records; there may be none. A retriable failure makes the host pass the same again, any other fails the task. */
    ms_status (*put)(ms_call *call, ms_records *records);
    /* Makes everything taken so far durable. */
    ms_status (*flush)(ms_call *call);
    /* The offsets that may be committed: those that are put into `commit`. If this is NULL, `flush` is called and all are. */
    ms_status (*pre_commit)(ms_call *call, const ms_topic_offset *offsets, size_t count, ms_commit *commit);
    /* Partitions revoked or given up. */
    ms_status (*close)(ms_call *call, const ms_topic_partition *partitions, size_t count);
    ms_status (*stop)(ms_call *call);
    void (*drop)(void *state);
} ms_sink;

/* ---- what goes between connectors and topics */

/* A transform: one of the last three, and a `configure` if there is something to prepare. */
typedef struct ms_transform {
    ms_status (*configure)(ms_call *call);
    /* Changes one record where it stands. MS_DROP drops it on purpose; a failure concerns it alone. */
    ms_status (*apply)(ms_call *call, ms_record *record);
    /* Makes several records of one; none drops it. */
    ms_status (*expand)(ms_call *call, const ms_record *record, ms_collector *out);
    /* Changes the active rows of a batch, column by column. A failure concerns the batch as a whole and fails the task. */
    ms_status (*columns)(ms_call *call, ms_records *records);
    void (*drop)(void *state);
} ms_transform;

/* A predicate: one of the last two. */
typedef struct ms_predicate {
    ms_status (*configure)(ms_call *call);
    /* Whether it holds for a record. */
    ms_status (*test)(ms_call *call, const ms_record *record, bool *holds);
    /* For a batch: sets the bits of the rows for which it holds. ms_fail_row names one that cannot be judged. */
    ms_status (*columns)(ms_call *call, ms_records *records, uint8_t *holds);
    void (*drop)(void *state);
} ms_predicate;

/* What is being converted. */
typedef struct ms_subject {
    ms_str topic;
    /* Key of the header, when headers are; else absent. */
    ms_str header;
} ms_subject;

/* A converter between data and the bytes that a topic keeps. The plugin's kind says whether it is for headers. */
typedef struct ms_converter {
    ms_status (*configure)(ms_call *call);
    /* Schema and value of some bytes; absent ones stand for null. */
    ms_status (*to_connect)(ms_call *call, const ms_subject *subject, ms_bytes bytes, ms_datum *datum);
    /* The bytes of a value; absent ones (as they are at first) stand for null. */
    ms_status (*from_connect)(ms_call *call, const ms_subject *subject, const ms_datum *datum, ms_bytes *bytes);
    void (*drop)(void *state);
} ms_converter;

/* ---- plugins */

typedef struct ms_plugin {
    ms_kind kind;
    /* The name users write in `connector.class`, `transforms.x.type` and so on. */
    const char *class_name;
    const char *version;
    /* Markdown. */
    const char *documentation;
    /* Connectors: class shown for the task; derived from `class_name` if NULL. */
    const char *task_class;
    /* Further names, ended by NULL. */
    const char *const *aliases;
    /* Sources: whether `committed` is to be called, which costs a call per batch. */
    bool commit_records;
    /* Connectors: whether tasks may ask for the lease. */
    bool wants_lease;
    /* The table of keys, ended by MS_KEYS_END; NULL for none. */
    const ms_key *keys;
    /* Bytes of the author's struct for their values. */
    size_t config_size;
    /* Bytes of the state of a task, transform, predicate or converter, and of a connector. */
    size_t state_size, connector_size;
    /* The one of the kind. */
    const ms_source *source;
    const ms_sink *sink;
    const ms_transform *transform;
    const ms_predicate *predicate;
    const ms_converter *converter;
} ms_plugin;

/* Every plugin of the component, in the order they are described: once in a component, outside of any function. */
#define MS_COMPONENT(...)                                          \
    const ms_plugin *const ms_component_plugins[] = { __VA_ARGS__, NULL }; \
    const void *const *const ms_component_exports = ms_exports

extern const ms_plugin *const ms_component_plugins[];
/* Makes a linker take the component's exports out of the SDK's archive. */
extern const void *const ms_exports[];
extern const void *const *const ms_component_exports;

#ifdef __cplusplus
}
#endif

#endif
