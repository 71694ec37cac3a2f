/* A source: a clock that ticks, and after a restart goes on counting where it was. */
#include <millstream.h>

/* The configuration of connector and task alike. */
typedef struct {
    ms_str topic;
    int32_t every_ms;
} tick_config;

static const ms_key keys[] = {
    MS_KEY(STRING, "topic", tick_config, topic, .required = true, .rule = MS_NON_EMPTY, .importance = MS_HIGH, .doc = "Where ticks go."),
    MS_KEY(INT, "every.ms", tick_config, every_ms, .default_value = "1000", .rule = MS_RANGE(1, 3600000), .doc = "Milliseconds between ticks."),
    MS_KEYS_END,
};

/* The task makes the records. A clock cannot be divided, so there is one: what a source has that says nothing about its tasks. */
typedef struct {
    int64_t next;
} tick_task;

/* What the ticks come from. Offsets are stored per source partition; there is one clock. */
static ms_value partition(ms_arena *arena) { return ms_map1(arena, "clock", ms_text("main")); }

static const ms_schema int64_schema = { .type = MS_SCHEMA_INT64 };

static ms_status start(ms_call *call) {
    tick_task *task = call->state;
    /* The offset of the last tick that has safely arrived, as this task wrote it below. */
    ms_value clock = partition(call->arena), stored;
    if (ms_stored_offset(call, &clock, &stored) != MS_OK) {
        return MS_FAILED;
    }
    int64_t tick;
    task->next = ms_as_integer(ms_get(&stored, "tick"), &tick) ? tick + 1 : 0;
    ms_info("ticking from %lld on", (long long)task->next);
    return MS_OK;
}

static ms_status poll(ms_call *call, const ms_poll_limits *limits, ms_collector *out) {
    tick_task *task = call->state;
    const tick_config *config = call->config->values;
    /* Waiting is the host's business: it costs nothing, and ends early when the task is to stop. */
    uint32_t time = (uint32_t)config->every_ms;
    if (ms_wait(time < limits->max_wait_ms ? time : limits->max_wait_ms)) {
        return MS_OK;
    }
    ms_record record = ms_record_new(config->topic, ms_int64(task->next));
    record.value_schema = &int64_schema;
    record.key = ms_text("main");
    record.source_partition = partition(call->arena);
    record.source_offset = ms_map1(call->arena, "tick", ms_int64(task->next));
    task->next++;
    return ms_push(call, out, &record);
}

static ms_status exactly_once_support(ms_call *call, ms_support *support) {
    (void)call;
    *support = MS_SUPPORTED;
    return MS_OK;
}

static const ms_source functions = { .start = start, .poll = poll, .exactly_once_support = exactly_once_support };

static const ms_plugin tick_source = {
    .kind = MS_SOURCE,
    .class_name = "org.example.TickSourceConnector",
    .version = "0.1.0",
    .documentation = "Counts, at a steady pace.",
    .keys = keys,
    .config_size = sizeof(tick_config),
    .state_size = sizeof(tick_task),
    .source = &functions,
};

MS_COMPONENT(&tick_source);
