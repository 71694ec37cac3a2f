/* A source: ticks at a steady pace, and goes on counting after a restart. */
#include <millstream.h>

/* The configuration of connector and task alike. */
typedef struct {
    ms_str topic;
    int32_t every_ms;
} source_config;

static const ms_key keys[] = {
    MS_KEY(STRING, "topic", source_config, topic, .required = true, .rule = MS_NON_EMPTY, .importance = MS_HIGH, .doc = "Where ticks go."),
    MS_KEY(INT, "every.ms", source_config, every_ms, .default_value = "1000", .rule = MS_RANGE(1, 3600000), .doc = "Milliseconds between ticks."),
    MS_KEYS_END,
};

/* What a task remembers from call to call. */
typedef struct {
    int64_t next;
} source_task;

/* What the ticks come from. Offsets are stored per source partition. */
static ms_value partition(ms_arena *arena) { return ms_map1(arena, "clock", ms_text("main")); }

static const ms_schema tick_schema = { .type = MS_SCHEMA_INT64 };

static ms_status start(ms_call *call) {
    source_task *task = call->state;
    ms_value clock = partition(call->arena), stored;
    if (ms_stored_offset(call, &clock, &stored) != MS_OK) {
        return MS_FAILED;
    }
    /* The offset of the last tick that has safely arrived, as `poll` wrote it. */
    int64_t tick;
    task->next = ms_as_integer(ms_get(&stored, "tick"), &tick) ? tick + 1 : 0;
    ms_info("ticking from %lld on", (long long)task->next);
    return MS_OK;
}

static ms_status poll(ms_call *call, const ms_poll_limits *limits, ms_collector *out) {
    source_task *task = call->state;
    const source_config *config = call->config->values;
    uint32_t time = (uint32_t)config->every_ms;
    /* Waiting costs nothing, and ends early when the task is to stop. */
    if (ms_wait(time < limits->max_wait_ms ? time : limits->max_wait_ms)) {
        return MS_OK;
    }
    ms_record record = ms_record_new(config->topic, ms_int64(task->next));
    record.value_schema = &tick_schema;
    record.key = ms_text("main");
    record.source_partition = partition(call->arena);
    record.source_offset = ms_map1(call->arena, "tick", ms_int64(task->next));
    task->next++;
    return ms_push(call, out, &record);
}

static const ms_source functions = { .start = start, .poll = poll };

static const ms_plugin plugin = {
    .kind = MS_SOURCE,
    .class_name = "__CLASS__",
    .version = "0.1.0",
    .documentation = "Counts, at a steady pace.",
    .keys = keys,
    .config_size = sizeof(source_config),
    .state_size = sizeof(source_task),
    .source = &functions,
};

MS_COMPONENT(&plugin);
