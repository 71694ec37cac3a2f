/* A sink: writes a line `key=value` for each record into a file. */
#include <millstream.h>

typedef struct {
    ms_str file;
} sink_config;

static const ms_key keys[] = {
    /* `opens` is what lets the plugin open the file that the user names: it can reach no other. */
    MS_KEY(STRING, "file", sink_config, file, .required = true, .importance = MS_HIGH, .doc = "File that lines are appended to.",
           .opens = { .kind = MS_OPENS_APPEND_FILE }),
    MS_KEYS_END,
};

/* What a task remembers from call to call. */
typedef struct {
    ms_file *file;
} sink_task;

static ms_status start(ms_call *call) {
    sink_task *task = call->state;
    return ms_file_open(call, "file", &task->file);
}

static ms_status put(ms_call *call, ms_records *records) {
    sink_task *task = call->state;
    ms_buf lines = ms_buf_in(call->arena);
    for (ms_cursor row = ms_walk(records); ms_next(&row);) {
        ms_record record = ms_row_record(row.batch, row.row);
        ms_buf_str(&lines, ms_value_text(call->arena, &record.key));
        ms_buf_char(&lines, '=');
        ms_buf_str(&lines, ms_value_text(call->arena, &record.value));
        ms_buf_char(&lines, '\n');
    }
    return ms_file_write(call, task->file, ms_buf_done(&lines));
}

static ms_status flush(ms_call *call) {
    sink_task *task = call->state;
    /* Offsets are committed when this returns, so everything has to be safe by then. */
    return ms_file_sync(call, task->file);
}

static const ms_sink functions = { .start = start, .put = put, .flush = flush };

static const ms_plugin plugin = {
    .kind = MS_SINK,
    .class_name = "__CLASS__",
    .version = "0.1.0",
    .documentation = "Appends a line for each record to a file.",
    .keys = keys,
    .config_size = sizeof(sink_config),
    .state_size = sizeof(sink_task),
    .sink = &functions,
};

MS_COMPONENT(&plugin);
