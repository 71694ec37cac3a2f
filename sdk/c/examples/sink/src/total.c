/* A sink: keeps a running total per key in a file, and shows how records that can never be written are reported. */
#include <millstream.h>

typedef struct {
    ms_str file;
} total_config;

static const ms_key keys[] = {
    /* `opens` is what lets the plugin open the file that the user names: it can reach no other. */
    MS_KEY(STRING, "file", total_config, file, .required = true, .importance = MS_HIGH,
           .doc = "File that totals are written to, a line for each change.", .opens = { .kind = MS_OPENS_APPEND_FILE }),
    MS_KEYS_END,
};

typedef struct total {
    struct total *next;
    ms_str key;
    int64_t sum;
} total;

/* The task takes the records. Kafka deals topic partitions out to as many tasks as are asked for. */
typedef struct {
    ms_file *file;
    total *totals;
} total_task;

static ms_status start(ms_call *call) {
    total_task *task = call->state;
    if (ms_file_open(call, "file", &task->file) != MS_OK) {
        return MS_FAILED;
    }
    return task->file != NULL ? MS_OK : ms_fail(call, MS_FATAL, "the file was not created");
}

/* What is kept from call to call lives in `call->memory`, as long as the task. */
static total *total_of(ms_call *call, total_task *task, ms_str key) {
    for (total *known = task->totals; known != NULL; known = known->next) {
        if (ms_eq(known->key, key)) {
            return known;
        }
    }
    total *made = MS_NEW(call->memory, total);
    made->key = ms_dup(call->memory, key);
    made->next = task->totals;
    task->totals = made;
    return made;
}

static int64_t saturating_add(int64_t a, int64_t b) {
    if (0 < b ? INT64_MAX - b < a : a < INT64_MIN - b) {
        return 0 < b ? INT64_MAX : INT64_MIN;
    }
    return a + b;
}

static ms_status put(ms_call *call, ms_records *records) {
    total_task *task = call->state;
    ms_buf lines = ms_buf_in(call->arena);
    for (ms_cursor row = ms_walk(records); ms_next(&row);) {
        ms_record record = ms_row_record(row.batch, row.row);
        ms_str key = ms_value_text(call->arena, &record.key);
        if (record.value.type != MS_INT64) {
            ms_fail(call, MS_DATA, "expected a whole number, found a %s", ms_java_class(&record.value));
            ms_fail_row(records, row.row);
            continue;
        }
        total *total = total_of(call, task, key);
        total->sum = saturating_add(total->sum, record.value.as.integer);
        ms_buf_format(&lines, "%.*s=%lld\n", MS_ARG(key), (long long)total->sum);
    }
    /* Goes to the error policy of the task; fails if it tolerates none. */
    if (ms_report(records) != MS_OK) {
        return MS_FAILED;
    }
    return ms_file_write(call, task->file, ms_buf_done(&lines));
}

static ms_status flush(ms_call *call) {
    total_task *task = call->state;
    /* Offsets are committed when this returns, so everything has to be safe by then. */
    return ms_file_sync(call, task->file);
}

static const ms_sink functions = { .start = start, .put = put, .flush = flush };

static const ms_plugin total_sink = {
    .kind = MS_SINK,
    .class_name = "org.example.TotalSinkConnector",
    .version = "0.1.0",
    .documentation = "Adds up the whole numbers under each key.",
    .keys = keys,
    .config_size = sizeof(total_config),
    .state_size = sizeof(total_task),
    .sink = &functions,
};

MS_COMPONENT(&total_sink);
