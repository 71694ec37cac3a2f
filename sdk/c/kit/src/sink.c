/* The sink: writes down the records that it is given. */
#include "kit.h"

typedef struct {
    kit_config kit;
    ms_str file, why, url, db;
    int16_t replication;
} sink_config;

static const ms_key_role why_with[] = { { "replication", "why.replication" }, { NULL, NULL } };

static const ms_key keys[] = {
    MS_KEY(STRING, "file", sink_config, file, .importance = MS_HIGH, .opens = { .kind = MS_OPENS_APPEND_FILE }),
    MS_KEY(STRING, "why", sink_config, why, .opens = { .kind = MS_OPENS_TOPIC, .with = why_with, .default_topic = "${connector}-why" }),
    MS_KEY(SHORT, "why.replication", sink_config, replication, .default_value = "1"),
    MS_KEY(STRING, "url", sink_config, url, .opens = { .kind = MS_OPENS_HTTP_URL }),
    MS_KEY(STRING, "db", sink_config, db, .opens = { .kind = MS_OPENS_SQL }),
    KIT_DO(sink_config),
    MS_KEYS_END,
};

/* ---- the connector */

static ms_status validate(ms_call *call, ms_problems *problems) {
    (void)problems;
    ms_info("validate");
    return kit_act_once(call, "validate");
}

static ms_status connector_start(ms_call *call) {
    kit_actions *actions = call->state;
    const sink_config *config = call->config->values;
    ms_info("connector-start");
    return kit_parse(call, config->kit.actions, actions) == MS_OK ? kit_act(call, actions, "connector-start", kit_connector_action) : MS_FAILED;
}

static ms_status task_configs(ms_call *call, uint32_t max_tasks, ms_task_configs *configs) {
    ms_info("task-configs %u", max_tasks);
    if (kit_act(call, call->state, "task-configs", kit_connector_action) != MS_OK) {
        return MS_FAILED;
    }
    kit_numbered(call, configs, max_tasks);
    return MS_OK;
}

static ms_status connector_stop(ms_call *call) {
    ms_info("connector-stop");
    return kit_act(call, call->state, "connector-stop", kit_connector_action);
}

static ms_status alter_offsets(ms_call *call, const ms_topic_offset_change *changes, size_t count, bool *done) {
    for (size_t i = 0; i < count; i++) {
        ms_str offset = changes[i].has_offset ? ms_format(call->arena, "%llu", (unsigned long long)changes[i].offset) : ms_s("null");
        ms_info("alter-offsets %.*s-%u %.*s", MS_ARG(changes[i].topic), changes[i].partition, MS_ARG(offset));
    }
    *done = true;
    return kit_act_once(call, "alter-offsets");
}

/* ---- the task */

typedef struct {
    kit_actions actions;
    ms_file *file;
    /* What `put` was given, for actions. */
    ms_records *records;
    /* What an action has put in the place of "all offsets". */
    bool has_offsets;
    ms_str topic;
    uint32_t partition;
    uint64_t offset;
    bool is_empty;
} sink_task;

static ms_str shown_partitions(ms_call *call, const ms_topic_partition *partitions, size_t count) {
    ms_buf buf = ms_buf_in(call->arena);
    for (size_t i = 0; i < count; i++) {
        ms_buf_format(&buf, " %.*s-%u", MS_ARG(partitions[i].topic), partitions[i].partition);
    }
    return ms_buf_done(&buf);
}

static ms_status report(ms_call *call, const char *place, const char *row, const char *kind) {
    sink_task *task = call->state;
    int64_t number;
    if (kit_number(call, row, &number) != MS_OK) {
        return MS_FAILED;
    }
    strcmp(kind, "own") == 0 ? kit_own(call) : kit_fail(call, kind, place);
    ms_fail_row(task->records, (uint32_t)number);
    return ms_report(task->records);
}

static ms_status task_action(ms_call *call, const char *place, char **words, size_t n, bool *known) {
    sink_task *task = call->state;
    const sink_config *config = call->config->values;
    int64_t partition = 0, number = 0;
    ms_topic_partition at = { 3 <= n ? ms_s(words[1]) : ms_none(), 0 };
    bool is_pause = strcmp(words[0], "pause") == 0;
    if (strcmp(words[0], "assignment") == 0) {
        const ms_topic_partition *assigned;
        size_t count = ms_assignment(call, &assigned);
        ms_info("assignment%.*s", MS_ARG(shown_partitions(call, assigned, count)));
    } else if (strcmp(words[0], "seek") == 0 && n == 4) {
        if (kit_number(call, words[2], &partition) != MS_OK || kit_number(call, words[3], &number) != MS_OK) {
            return MS_FAILED;
        }
        ms_topic_offset offset = { at.topic, (uint32_t)partition, (uint64_t)number };
        ms_seek(&offset, 1);
    } else if ((is_pause || strcmp(words[0], "resume") == 0) && n == 3) {
        if (kit_number(call, words[2], &partition) != MS_OK) {
            return MS_FAILED;
        }
        at.partition = (uint32_t)partition;
        return is_pause ? ms_pause(call, &at, 1) : ms_resume(call, &at, 1);
    } else if (strcmp(words[0], "timeout") == 0 && n == 2) {
        if (kit_number(call, words[1], &number) != MS_OK) {
            return MS_FAILED;
        }
        ms_timeout((uint32_t)number);
    } else if (strcmp(words[0], "request-commit") == 0) {
        ms_request_commit();
    } else if (strcmp(words[0], "offsets") == 0 && n == 2) {
        task->has_offsets = task->is_empty = true;
    } else if (strcmp(words[0], "offsets") == 0 && n == 4) {
        if (kit_number(call, words[2], &partition) != MS_OK || kit_number(call, words[3], &number) != MS_OK) {
            return MS_FAILED;
        }
        task->has_offsets = true;
        task->is_empty = false;
        task->topic = at.topic;
        task->partition = (uint32_t)partition;
        task->offset = (uint64_t)number;
    } else if (strcmp(words[0], "report") == 0 && n == 3) {
        return report(call, place, words[1], words[2]);
    } else if (strcmp(words[0], "say") == 0) {
        ms_buf text = ms_buf_in(call->arena);
        for (size_t i = 1; i < n; i++) {
            ms_buf_format(&text, "%s%s", i == 1 ? "" : " ", words[i]);
        }
        const struct ms_report_header by = { ms_s("by"), ms_s("kit") };
        const ms_topic_report said = { ms_none(), ms_buf_done(&text), &by, 1 };
        return ms_write_reports(call, "why", &said, 1);
    } else if (strcmp(words[0], "http") == 0) {
        return kit_get(call, config->url);
    } else {
        *known = false;
    }
    return MS_OK;
}

static ms_status act(ms_call *call, const char *place) {
    sink_task *task = call->state;
    return kit_act(call, &task->actions, place, task_action);
}

static ms_status start(ms_call *call) {
    sink_task *task = call->state;
    const sink_config *config = call->config->values;
    ms_info("start");
    if (kit_parse(call, config->kit.actions, &task->actions) != MS_OK || act(call, "start") != MS_OK) {
        return MS_FAILED;
    }
    return config->file.data == NULL ? MS_OK : ms_file_open(call, "file", &task->file);
}

static ms_status open(ms_call *call, const ms_topic_partition *partitions, size_t count) {
    ms_info("open%.*s", MS_ARG(shown_partitions(call, partitions, count)));
    return act(call, "open");
}

static ms_str line(ms_call *call, const ms_record *record) {
    ms_buf buf = ms_buf_in(call->arena);
    ms_buf_format(&buf, "%.*s-%d@%lld %.*s %.*s", MS_ARG(record->topic), (int)record->partition, (long long)record->offset,
                  MS_ARG(kit_show(call->arena, &record->key)), MS_ARG(kit_show(call->arena, &record->value)));
    for (size_t i = 0; i < record->n_headers; i++) {
        const ms_header *header = &record->headers[i];
        ms_buf_format(&buf, " %.*s=%.*s", MS_ARG(header->key), MS_ARG(kit_show(call->arena, &header->value)));
    }
    if (record->has_timestamp) {
        ms_buf_format(&buf, " ts=%lld", (long long)record->timestamp);
    }
    return ms_buf_done(&buf);
}

static ms_status put(ms_call *call, ms_records *records) {
    sink_task *task = call->state;
    uint32_t count = 0, n_lines = 0;
    /* Rows that an action reports are written all the same, so they are named before. */
    uint32_t *rows = MS_NEW_ARRAY(call->arena, uint32_t, ms_batch_rows(records->batch));
    for (ms_cursor row = ms_walk(records); ms_next(&row);) {
        rows[count++] = row.row;
    }
    ms_info("put %u", count);
    task->records = records;
    ms_str *lines = MS_NEW_ARRAY(call->arena, ms_str, count);
    ms_buf all = ms_buf_in(call->arena);
    if (act(call, "put") != MS_OK) {
        return MS_FAILED;
    }
    for (uint32_t i = 0; i < count; i++) {
        ms_record record = ms_row_record(records->batch, rows[i]);
        ms_str text = record.value.type == MS_STRING ? record.value.as.text : ms_s("");
        if (4 <= text.len && memcmp(text.data, "bad ", 4) == 0) {
            ms_fail(call, MS_DATA, "%.*s", (int)text.len - 4, text.data + 4);
            ms_fail_row(records, rows[i]);
            continue;
        }
        lines[n_lines++] = line(call, &record);
    }
    if (ms_report(records) != MS_OK) {
        return MS_FAILED;
    }
    for (uint32_t i = 0; i < n_lines; i++) {
        if (task->file == NULL) {
            ms_info("record %.*s", MS_ARG(lines[i]));
        } else {
            ms_buf_str(&all, lines[i]);
            ms_buf_char(&all, '\n');
        }
    }
    return task->file == NULL ? MS_OK : ms_file_write(call, task->file, ms_buf_done(&all));
}

/* All offsets that were given, unless an action says otherwise. */
static ms_status pre_commit(ms_call *call, const ms_topic_offset *offsets, size_t count, ms_commit *commit) {
    sink_task *task = call->state;
    ms_buf shown = ms_buf_in(call->arena);
    for (size_t i = 0; i < count; i++) {
        ms_buf_format(&shown, " %.*s-%u@%llu", MS_ARG(offsets[i].topic), offsets[i].partition, (unsigned long long)offsets[i].offset);
    }
    ms_info("pre-commit%.*s", MS_ARG(ms_buf_done(&shown)));
    task->has_offsets = false;
    if (act(call, "pre-commit") != MS_OK || (task->file != NULL && ms_file_sync(call, task->file) != MS_OK)) {
        return MS_FAILED;
    }
    if (!task->has_offsets) {
        ms_commit_all(commit);
    } else if (!task->is_empty) {
        ms_commit_offset(commit, task->topic, task->partition, task->offset);
    }
    return MS_OK;
}

static ms_status close(ms_call *call, const ms_topic_partition *partitions, size_t count) {
    ms_info("close%.*s", MS_ARG(shown_partitions(call, partitions, count)));
    return act(call, "close");
}

static ms_status stop(ms_call *call) {
    ms_info("stop");
    return act(call, "stop");
}

static const ms_sink functions = {
    .validate = validate,
    .connector_start = connector_start,
    .task_configs = task_configs,
    .connector_stop = connector_stop,
    .alter_offsets = alter_offsets,
    .start = start,
    .open = open,
    .put = put,
    .pre_commit = pre_commit,
    .close = close,
    .stop = stop,
};

const ms_plugin kit_sink = {
    .kind = MS_SINK,
    .class_name = "org.millstream.kit.KitSinkConnector",
    .version = "1.0.0",
    .documentation = "Writes down the records that it is given.",
    .wants_lease = true,
    .keys = keys,
    .config_size = sizeof(sink_config),
    .state_size = sizeof(sink_task),
    .connector_size = sizeof(kit_actions),
    .sink = &functions,
};
