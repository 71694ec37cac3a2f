/* The source: makes the records that its configuration names. */
#include "kit.h"

#include <stdlib.h>

typedef struct {
    kit_config kit;
    ms_str topic, mode, file, url, db, secret, helper;
    int32_t records, per_poll, tasks, even, low, high;
    bool flag;
    int16_t small;
    int64_t big;
    double ratio;
    ms_strs names;
} source_config;

static const char *check_even(ms_arena *arena, const ms_config_value *value) {
    (void)arena;
    return !value->is_null && value->integer % 2 != 0 ? "expected an even number" : NULL;
}

static const char *const modes[] = { "counter", "types", "lines", NULL }, *const dependents[] = { "small", NULL },
                         *const recommended[] = { "org.example.A", "org.example.B", NULL }, *const aliases[] = { "Kit", NULL };

static const ms_key keys[] = {
    MS_KEY(STRING, "topic", source_config, topic, .required = true, .rule = MS_NON_EMPTY, .importance = MS_HIGH, .doc = "Where records go.", .group = "Kit",
           .order = 1, .width = MS_WIDTH_LONG, .display_name = "Topic"),
    MS_KEY(STRING, "mode", source_config, mode, .default_value = "counter", .rule = MS_ONE_OF(modes), .doc = "What records there are."),
    MS_KEY(INT, "records", source_config, records, .default_value = "3", .rule = MS_RANGE(0, 1000000), .doc = "How many records there are."),
    MS_KEY(INT, "per.poll", source_config, per_poll, .default_value = "2", .rule = MS_RANGE(1, 10000)),
    MS_KEY(INT, "tasks", source_config, tasks, .default_value = "1", .rule = MS_RANGE(1, 100)),
    MS_KEY(STRING, "file", source_config, file, .opens = { .kind = MS_OPENS_READ_FILE }),
    MS_KEY(BOOLEAN, "flag", source_config, flag, .default_value = "false", .dependents = dependents),
    MS_KEY(SHORT, "small", source_config, small, .default_value = "7"),
    MS_KEY(LONG, "big", source_config, big, .default_value = "9007199254740993"),
    MS_KEY(DOUBLE, "ratio", source_config, ratio, .default_value = "0.5", .rule = MS_RANGE(0, 1)),
    MS_KEY(LIST, "names", source_config, names, .default_value = "a,b", .rule = MS_NON_EMPTY_LIST),
    MS_KEY(PASSWORD, "secret", source_config, secret, .doc = ""),
    MS_KEY(CLASS, "helper", source_config, helper, .recommended = recommended),
    MS_KEY(INT, "even", source_config, even, .default_value = "2", .check = check_even),
    MS_KEY(INT, "low", source_config, low, .default_value = "0"),
    MS_KEY(INT, "high", source_config, high, .default_value = "10"),
    MS_KEY(STRING, "url", source_config, url, .opens = { .kind = MS_OPENS_HTTP_URL }),
    MS_KEY(STRING, "db", source_config, db, .opens = { .kind = MS_OPENS_SQL }),
    KIT_DO(source_config),
    MS_KEYS_END,
};

/* What is wrong with two keys together, of a configuration that may be wrong in other ways. */
static bool low_above_high(ms_call *call) {
    long bounds[2] = { 0, 10 };
    const char *const names[2] = { "low", "high" };
    for (int i = 0; i < 2; i++) {
        ms_str text = ms_config_get(call->config, names[i]);
        if (text.data != NULL) {
            char *copy = ms_cstr(call->arena, ms_trim(text)), *end;
            bounds[i] = strtol(copy, &end, 10);
            if (end == copy || *end != '\0') {
                return false;
            }
        }
    }
    return bounds[1] < bounds[0];
}

/* ---- the connector */

static ms_status validate(ms_call *call, ms_problems *problems) {
    ms_info("validate");
    if (kit_act_once(call, "validate") != MS_OK) {
        return MS_FAILED;
    }
    if (low_above_high(call)) {
        ms_problem(problems, "low", "low is above high");
    }
    return MS_OK;
}

static ms_status connector_start(ms_call *call) {
    kit_actions *actions = call->state;
    const source_config *config = call->config->values;
    ms_info("connector-start");
    if (kit_parse(call, config->kit.actions, actions) != MS_OK || kit_act(call, actions, "connector-start", kit_connector_action) != MS_OK) {
        return MS_FAILED;
    }
    return low_above_high(call) ? ms_fail(call, MS_CONFIG, "low is above high") : MS_OK;
}

static ms_status task_configs(ms_call *call, uint32_t max_tasks, ms_task_configs *configs) {
    const source_config *config = call->config->values;
    ms_info("task-configs %u", max_tasks);
    if (kit_act(call, call->state, "task-configs", kit_connector_action) != MS_OK) {
        return MS_FAILED;
    }
    uint32_t tasks = (uint32_t)config->tasks;
    kit_numbered(call, configs, max_tasks < tasks ? max_tasks : tasks);
    return MS_OK;
}

static ms_status connector_stop(ms_call *call) {
    ms_info("connector-stop");
    return kit_act(call, call->state, "connector-stop", kit_connector_action);
}

static ms_status exactly_once_support(ms_call *call, ms_support *support) {
    ms_info("exactly-once");
    *support = MS_SUPPORTED;
    return kit_act_once(call, "exactly-once");
}

static ms_status transaction_boundaries(ms_call *call, ms_support *support) {
    ms_info("boundaries");
    *support = MS_SUPPORTED;
    return kit_act_once(call, "boundaries");
}

static ms_status alter_offsets(ms_call *call, const ms_offset_change *changes, size_t count, bool *done) {
    for (size_t i = 0; i < count; i++) {
        ms_info("alter-offsets %.*s %.*s", MS_ARG(kit_show(call->arena, &changes[i].partition)), MS_ARG(kit_show(call->arena, &changes[i].offset)));
    }
    if (kit_act_once(call, "alter-offsets") != MS_OK) {
        return MS_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        if (changes[i].offset.type != MS_NULL && ms_get(&changes[i].offset, "n") == NULL) {
            return ms_fail(call, MS_FATAL, "offset has no n");
        }
    }
    *done = true;
    return MS_OK;
}

/* ---- the task */

typedef struct {
    kit_actions actions;
    int64_t next;
    bool sent_types;
    /* What an action has made of the running poll: that it returns nothing, or what is in `out`. */
    bool answered;
    ms_collector *out;
    /* A file that is being read, where the last line ended that was sent, and what was read behind that. */
    ms_file *file;
    uint64_t position;
    char *unsent;
    size_t n_unsent, unsent_room;
} source_task;

static ms_value counter(ms_arena *arena) { return ms_map1(arena, "kit", ms_text("counter")); }

static ms_status end_transaction(ms_call *call, char **words, size_t n) {
    int64_t row = MS_BEHIND_ALL;
    if (!ms_transaction_available()) {
        ms_info("no transactions");
        return MS_OK;
    }
    if (n == 2 && kit_number(call, words[1], &row) != MS_OK) {
        return MS_FAILED;
    }
    ms_end_transaction(call, (uint32_t)row, strncmp(words[0], "commit", 6) == 0);
    return MS_OK;
}

static ms_status task_action(ms_call *call, const char *place, char **words, size_t n, bool *known) {
    (void)place;
    source_task *task = call->state;
    const source_config *config = call->config->values;
    static const ms_schema int32_schema = { .type = MS_SCHEMA_INT32 };
    int64_t number = 0;
    if (n == 2 && strcmp(words[0], "commit-after") != 0 && strcmp(words[0], "abort-after") != 0 && kit_number(call, words[1], &number) != MS_OK) {
        return MS_FAILED;
    }
    if (strcmp(words[0], "offset") == 0) {
        ms_value partition = counter(call->arena), offset;
        if (ms_stored_offset(call, &partition, &offset) != MS_OK) {
            return MS_FAILED;
        }
        ms_info("offset %.*s", MS_ARG(kit_show(call->arena, &offset)));
    } else if (strcmp(words[0], "http") == 0) {
        return kit_get(call, config->url);
    } else if (strcmp(words[0], "rest") == 0 && n == 2) {
        ms_rest((uint32_t)number);
        task->answered = true;
    } else if (strcmp(words[0], "nothing") == 0) {
        task->answered = true;
    } else if (strcmp(words[0], "bad") == 0 || strcmp(words[0], "wrong") == 0) {
        ms_record record = ms_record_new(config->topic, ms_text("seven"));
        record.value_schema = &int32_schema;
        task->answered = true;
        return ms_push(call, task->out, &record);
    } else if (strcmp(words[0], "huge") == 0 && n == 2) {
        char *letters = ms_alloc(call->arena, (size_t)number);
        memset(letters, 'x', (size_t)number);
        ms_record record = ms_record_new(config->topic, ms_string(ms_sn(letters, (size_t)number)));
        task->answered = true;
        return ms_push(call, task->out, &record);
    } else if (strncmp(words[0], "commit", 6) == 0 || strncmp(words[0], "abort", 5) == 0) {
        return end_transaction(call, words, n);
    } else {
        *known = false;
    }
    return MS_OK;
}

/* A value as it was parsed: null where it is. */
static ms_str shown(ms_call *call, const char *key, ms_str text) { return ms_config_is_null(call, key) ? ms_s("null") : text; }

static ms_status start(ms_call *call) {
    source_task *task = call->state;
    const source_config *config = call->config->values;
    ms_info("start");
    if (kit_parse(call, config->kit.actions, &task->actions) != MS_OK || kit_act(call, &task->actions, "start", task_action) != MS_OK) {
        return MS_FAILED;
    }
    ms_buf names = ms_buf_in(call->arena);
    for (size_t i = 0; i < config->names.len; i++) {
        ms_buf_format(&names, "%s%.*s", i == 0 ? "" : ", ", MS_ARG(config->names.items[i]));
    }
    ms_arena *arena = call->arena;
    ms_info("config flag=%.*s small=%.*s big=%.*s ratio=%g names=[%.*s] secret=%s helper=%.*s",
            MS_ARG(shown(call, "flag", ms_s(config->flag ? "true" : "false"))), MS_ARG(shown(call, "small", ms_format(arena, "%d", config->small))),
            MS_ARG(shown(call, "big", ms_format(arena, "%lld", (long long)config->big))), config->ratio, MS_ARG(ms_buf_done(&names)),
            config->secret.data == NULL ? "null" : "set", MS_ARG(shown(call, "helper", config->helper)));
    if (ms_is(config->mode, "counter")) {
        ms_value partition = counter(call->arena), offset;
        int64_t stored;
        if (ms_stored_offset(call, &partition, &offset) != MS_OK) {
            return MS_FAILED;
        }
        task->next = ms_as_integer(ms_get(&offset, "n"), &stored) ? stored + 1 : 0;
        ms_info("from %lld", (long long)task->next);
    }
    return MS_OK;
}

static ms_status count(ms_call *call, const ms_poll_limits *limits, ms_collector *out) {
    static const ms_schema text = { .type = MS_SCHEMA_STRING }, number = { .type = MS_SCHEMA_INT64 };
    source_task *task = call->state;
    const source_config *config = call->config->values;
    uint32_t per_poll = (uint32_t)config->per_poll;
    int64_t until = task->next + (per_poll < limits->max_records ? per_poll : limits->max_records);
    until = config->records < until ? config->records : until;
    if (until <= task->next) {
        ms_wait(limits->max_wait_ms < 20 ? limits->max_wait_ms : 20);
        return MS_OK;
    }
    for (; task->next < until; task->next++) {
        ms_record record = ms_record_new(config->topic, ms_int64(task->next));
        record.value_schema = &number;
        record.key_schema = &text;
        record.key = ms_string(ms_format(call->arena, "k%lld", (long long)task->next));
        record.source_partition = counter(call->arena);
        record.source_offset = ms_map1(call->arena, "n", ms_int64(task->next));
        if (ms_push(call, out, &record) != MS_OK) {
            return MS_FAILED;
        }
    }
    return MS_OK;
}

static ms_status open_file(ms_call *call, const ms_value *partition) {
    source_task *task = call->state;
    const source_config *config = call->config->values;
    ms_value offset;
    ms_file *file;
    int64_t position;
    if (ms_file_open(call, "file", &file) != MS_OK) {
        return MS_FAILED;
    }
    if (file == NULL) {
        return ms_fail(call, MS_RETRIABLE, "there is no file %.*s", MS_ARG(config->file));
    }
    if (ms_stored_offset(call, partition, &offset) != MS_OK) {
        return MS_FAILED;
    }
    task->position = ms_as_integer(ms_get(&offset, "position"), &position) ? (uint64_t)position : 0;
    task->file = file;
    return ms_file_seek(call, file, task->position);
}

static ms_status read_lines(ms_call *call, ms_collector *out) {
    source_task *task = call->state;
    const source_config *config = call->config->values;
    ms_value partition = ms_map1(call->arena, "file", ms_string(config->file));
    ms_bytes piece;
    if ((task->file == NULL && open_file(call, &partition) != MS_OK) || ms_file_read(call, task->file, 1 << 16, &piece) != MS_OK) {
        return MS_FAILED;
    }
    if (task->unsent_room - task->n_unsent < piece.len) {
        task->unsent_room = (task->n_unsent + piece.len) * 2;
        task->unsent = realloc(task->unsent, task->unsent_room);
        ms_assert(task->unsent != NULL);
    }
    if (piece.len != 0) {
        memcpy(task->unsent + task->n_unsent, piece.data, piece.len);
        task->n_unsent += piece.len;
    }
    size_t done = 0;
    while (ms_collected(out) < (uint32_t)config->per_poll) {
        char *line = task->unsent + done, *end = done == task->n_unsent ? NULL : memchr(line, '\n', task->n_unsent - done);
        if (end == NULL) {
            break;
        }
        done += (size_t)(end - line) + 1;
        ms_record record = ms_record_new(config->topic, ms_string(ms_sn(line, (size_t)(end - line))));
        record.source_partition = partition;
        record.source_offset = ms_map1(call->arena, "position", ms_int64((int64_t)(task->position + done)));
        if (ms_push(call, out, &record) != MS_OK) {
            return MS_FAILED;
        }
    }
    task->position += done;
    task->n_unsent -= done;
    if (done != 0) {
        memmove(task->unsent, task->unsent + done, task->n_unsent);
    }
    if (ms_collected(out) == 0 && ms_file_ends_rest(task->file)) {
        ms_rest(1000);
    }
    return MS_OK;
}

static ms_status poll(ms_call *call, const ms_poll_limits *limits, ms_collector *out) {
    source_task *task = call->state;
    const source_config *config = call->config->values;
    task->answered = false;
    task->out = out;
    if (kit_act(call, &task->actions, "poll", task_action) != MS_OK) {
        return MS_FAILED;
    }
    if (task->answered || (ms_is(config->mode, "types") && task->sent_types)) {
        return MS_OK;
    }
    if (ms_is(config->mode, "types")) {
        task->sent_types = true;
        return kit_types(call, config->topic, out);
    }
    return ms_is(config->mode, "lines") ? read_lines(call, out) : count(call, limits, out);
}

static ms_status committed(ms_call *call, ms_records *rows) {
    source_task *task = call->state;
    ms_buf buf = ms_buf_in(call->arena);
    for (uint32_t row = 0; row < ms_batch_rows(rows->batch); row++) {
        int64_t partition, offset;
        ms_str topic = ms_batch_topic(rows->batch, row);
        if (ms_batch_integer(rows->batch, MS_ROLE_PARTITION, row, &partition) && ms_batch_integer(rows->batch, MS_ROLE_OFFSET, row, &offset)) {
            ms_buf_format(&buf, " %.*s-%lld@%lld", MS_ARG(topic), (long long)partition, (long long)offset);
        } else {
            ms_buf_format(&buf, " %.*s-none", MS_ARG(topic));
        }
    }
    ms_info("committed%.*s", MS_ARG(ms_buf_done(&buf)));
    return kit_act(call, &task->actions, "committed", task_action);
}

static ms_status commit(ms_call *call) {
    source_task *task = call->state;
    ms_info("commit");
    return kit_act(call, &task->actions, "commit", task_action);
}

static ms_status stop(ms_call *call) {
    source_task *task = call->state;
    ms_info("stop");
    return kit_act(call, &task->actions, "stop", task_action);
}

static void drop(void *state) { free(((source_task *)state)->unsent); }

static const ms_source functions = {
    .validate = validate,
    .connector_start = connector_start,
    .task_configs = task_configs,
    .connector_stop = connector_stop,
    .exactly_once_support = exactly_once_support,
    .transaction_boundaries = transaction_boundaries,
    .alter_offsets = alter_offsets,
    .start = start,
    .poll = poll,
    .committed = committed,
    .commit = commit,
    .stop = stop,
    .drop = drop,
};

const ms_plugin kit_source = {
    .kind = MS_SOURCE,
    .class_name = "org.millstream.kit.KitSourceConnector",
    .task_class = "org.millstream.kit.KitSourceTask",
    .aliases = aliases,
    .version = "1.0.0",
    .documentation = "Makes the records that its configuration names.",
    .commit_records = true,
    .wants_lease = true,
    .keys = keys,
    .config_size = sizeof(source_config),
    .state_size = sizeof(source_task),
    .connector_size = sizeof(kit_actions),
    .source = &functions,
};
