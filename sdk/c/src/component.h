/* A component's plugins at work, below the contract's types: what the exports call, and the harness of tests. Results live in the
 * instance's call arena, until ms_end or the next call. */
#ifndef MS_COMPONENT_H
#define MS_COMPONENT_H

#include "internal.h"

/* A connector, task, predicate or converter, or a link of a chain. */
typedef struct ms_instance {
    /* First, so that a call leads to its instance. */
    ms_call call;
    bool started;
    ms_config *own_config;
} ms_instance;

/* Settings as they cross the contract. */
typedef struct ms_settings {
    const ms_setting *items;
    size_t len;
} ms_settings;

struct ms_problems {
    ms_arena *arena;
    struct ms_problem_entry {
        ms_str key, text;
    } *items;
    size_t len, room;
};

struct ms_task_configs {
    ms_arena *arena;
    const ms_config *own;
    uint32_t max;
    ms_settings *items;
    size_t len, room;
    bool too_many;
};

struct ms_commit {
    ms_arena *arena;
    ms_topic_offset *items;
    size_t len, room;
    bool all;
};

/* What a call made of a batch. */
typedef struct ms_outcome {
    /* Made with malloc; absent if the input stands. */
    ms_bytes changed;
    const ms_row_error *errors;
    size_t n_errors;
} ms_outcome;

/* An instance of the class; it knows no configuration yet. On failure `error` says why, and lives in static memory. */
ms_instance *ms_instance_new(ms_kind kind, ms_str class_name, bool is_connector, const ms_error **error);
void ms_instance_drop(ms_instance *instance);
/* Every call begins and ends so; between them `instance->call` can be used. */
ms_call *ms_begin(ms_instance *instance);
void ms_end(ms_instance *instance);

ms_status ms_do_validate(ms_instance *instance, ms_settings settings, ms_str *json);
ms_status ms_do_connector_start(ms_instance *instance, ms_settings settings);
ms_status ms_do_task_configs(ms_instance *instance, uint32_t max_tasks, ms_task_configs *configs);
ms_status ms_do_connector_stop(ms_instance *instance);
ms_status ms_do_exactly_once(ms_instance *instance, ms_settings settings, ms_support *support);
ms_status ms_do_boundaries(ms_instance *instance, ms_settings settings, ms_support *support);
/* Partitions and offsets are JSON; an absent offset resets. */
ms_status ms_do_alter_source(ms_instance *instance, ms_settings settings, const ms_str *partitions, const ms_str *offsets, size_t count, bool *done);
ms_status ms_do_alter_sink(ms_instance *instance, ms_settings settings, const ms_topic_offset_change *changes, size_t count, bool *done);

ms_status ms_do_start(ms_instance *instance, ms_settings settings);
/* The batch is absent if there is nothing. */
ms_status ms_do_poll(ms_instance *instance, const ms_poll_limits *limits, ms_bytes *batch);
ms_status ms_do_committed(ms_instance *instance, ms_bytes rows);
ms_status ms_do_commit(ms_instance *instance);
ms_status ms_do_open(ms_instance *instance, const ms_topic_partition *partitions, size_t count);
ms_status ms_do_put(ms_instance *instance, ms_bytes batch);
/* `all` if every offset given may be committed. */
ms_status ms_do_pre_commit(ms_instance *instance, const ms_topic_offset *offsets, size_t count, bool *all, ms_commit *commit);
ms_status ms_do_close(ms_instance *instance, const ms_topic_partition *partitions, size_t count);
ms_status ms_do_stop(ms_instance *instance);

/* A link of a chain before it is made. */
typedef struct ms_link {
    ms_str class_name;
    ms_settings settings;
    bool has_condition, negate;
    ms_str predicate;
    ms_settings predicate_settings;
} ms_link;

typedef struct ms_chain ms_chain;
/* On failure `link` and `error` say which and why. */
ms_chain *ms_chain_new(const ms_link *links, size_t count, uint32_t *link, const ms_error **error);
void ms_chain_drop(ms_chain *chain);
/* `only` is a bitmap or NULL. The failure of the whole is in `error`. Results live until ms_chain_end. */
ms_status ms_chain_apply(ms_chain *chain, ms_bytes batch, const uint8_t *only, ms_outcome *outcome, const ms_error **error);
void ms_chain_end(ms_chain *chain);

/* Parses the settings of a transform, predicate or converter, and has it prepare itself. */
ms_status ms_do_configure(ms_instance *instance, ms_settings settings);
/* A copy of a failure, in memory that lasts until the next one. */
const ms_error *ms_orphan(const ms_error *error);
/* A predicate or converter, configured. */
ms_instance *ms_configured(ms_kind kind, ms_str class_name, ms_settings settings, ms_role_of_converter role, const ms_error **error);
ms_status ms_do_test(ms_instance *instance, ms_bytes batch, uint8_t **holds, size_t *len, ms_outcome *outcome);
ms_status ms_do_convert(ms_instance *instance, ms_bytes batch, bool to_connect, ms_outcome *outcome);

/* ---- what lies below the public functions of host.h, with the host or without */

void msh_log(ms_level level, ms_str message);
/* The description of the worker's time zone; absent for UTC. */
ms_str msh_time_zone(ms_arena *arena);
MS_NORETURN void msh_trap(void);
ms_status msh_read_offsets(ms_call *call, const ms_str *partitions, size_t count, ms_str *offsets);
void msh_raise_error(const ms_error *error);
ms_status msh_report(ms_call *call, const ms_row_error *errors, size_t count);

/* An end of a transaction that was asked for. */
typedef struct ms_boundary {
    uint32_t behind;
    bool commit;
} ms_boundary;
void msh_set_boundaries(const ms_boundary *boundaries, size_t count);
/* Said by `poll` when it returns. */
void ms_hand_over_boundaries(bool ok);

/* A request under way; its parts are the implementation's. */
struct ms_http_pending {
    int32_t handle;
    bool open;
    ms_http_cause cause;
    ms_str problem;
};

/* Sends a request whose URL has been taken apart; sets `handle` and `open`, or cause and problem. */
void msh_http_start(ms_call *call, const ms_http_request *request, bool is_secure, ms_str authority, ms_str path, ms_http_pending *pending);
/* True and an answer, or cause and problem. Closes the handle. */
bool msh_http_wait(ms_call *call, ms_http_pending *pending, ms_http_response *response);
/* Reads what a host says, whose first word is the cause. */
void ms_http_of_host(ms_arena *arena, ms_http_pending *pending, ms_str text);

#endif
