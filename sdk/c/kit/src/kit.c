/* Actions: what a configuration says is to go wrong, and when. */
#include "kit.h"

#include <stdlib.h>

static ms_status unreadable(ms_call *call, ms_str entry) { return ms_fail(call, MS_CONFIG, "cannot read the action %.*s", MS_ARG(entry)); }

ms_status kit_number(ms_call *call, const char *text, int64_t *number) {
    char *end;
    *number = strtoll(text, &end, 10);
    return end != text && *end == '\0' ? MS_OK : ms_fail(call, MS_CONFIG, "%s is no number that an action takes", text);
}

ms_status kit_parse(ms_call *call, ms_str text, kit_actions *actions) {
    memset(actions, 0, sizeof *actions);
    while (text.len != 0) {
        ptrdiff_t stop = ms_find(text, ms_s(";"));
        ms_str entry = ms_trim(ms_sn(text.data, stop < 0 ? text.len : (size_t)stop));
        text = stop < 0 ? ms_s("") : ms_sn(text.data + stop + 1, text.len - (size_t)stop - 1);
        if (entry.len == 0) {
            continue;
        }
        ptrdiff_t colon = ms_find(entry, ms_s(":"));
        if (colon < 0 || actions->len == MAX_ACTIONS) {
            return unreadable(call, entry);
        }
        kit_action *action = &actions->items[actions->len++];
        action->place = ms_trim(ms_sn(entry.data, (size_t)colon));
        action->text = ms_dup(call->memory, ms_trim(ms_sn(entry.data + colon + 1, entry.len - (size_t)colon - 1)));
        ptrdiff_t hash = ms_find(action->place, ms_s("#"));
        if (0 <= hash) {
            int64_t number;
            if (kit_number(call, ms_cstr(call->arena, ms_sn(action->place.data + hash + 1, action->place.len - (size_t)hash - 1)), &number) != MS_OK) {
                ms_recover(call);
                return unreadable(call, entry);
            }
            action->number = (uint32_t)number;
            action->place.len = (size_t)hash;
        }
        action->place = ms_dup(call->memory, action->place);
    }
    return MS_OK;
}

ms_status kit_fail(ms_call *call, const char *kind, const char *place) {
    ms_error_kind kinds = strcmp(kind, "retriable") == 0 ? MS_RETRIABLE
                          : strcmp(kind, "data") == 0    ? MS_DATA
                          : strcmp(kind, "config") == 0  ? MS_CONFIG
                                                         : MS_FATAL;
    return ms_fail(call, kinds, "failed on purpose in %s", place);
}

ms_status kit_own(ms_call *call) {
    ms_fail(call, MS_FATAL, "my own words");
    ms_fail_class(call, "org.millstream.kit.OwnException");
    ms_fail_cause(call, "java.io.IOException: outer");
    return ms_fail_cause(call, "inner");
}

static __attribute__((noinline)) void deeper(bool fine) { ms_assert(fine && "panicked on purpose"); }

void kit_panic(void) {
    volatile bool fine = false;
    deeper(fine);
}

static void compute_for_ever(void) {
    for (volatile uint64_t number = 0;;) {
        number = number + 1;
    }
}

static __attribute__((noinline)) uint64_t call_myself(uint64_t level) {
    volatile uint64_t room[64];
    room[level % 64] = level;
    return call_myself(level + 1) + room[3];
}

static void hoard(void) {
    ms_arena *hoard = ms_arena_new();
    for (;;) {
        volatile char *piece = ms_alloc(hoard, 1 << 20);
        piece[1] = 1;
    }
}

/* The words from one on, as they stood. */
static ms_str rest(ms_call *call, char **words, size_t n_words, size_t first) {
    ms_buf buf = ms_buf_in(call->arena);
    for (size_t i = first; i < n_words; i++) {
        ms_buf_text(&buf, i == first ? "" : " ");
        ms_buf_text(&buf, words[i]);
    }
    return ms_buf_done(&buf);
}

static ms_status read_file(ms_call *call, const char *key) {
    ms_file *file;
    if (ms_file_open(call, key, &file) != MS_OK) {
        return MS_FAILED;
    }
    if (file == NULL) {
        ms_info("read null");
        return MS_OK;
    }
    ms_buf content = ms_buf_in(call->arena);
    for (ms_bytes piece;;) {
        if (ms_file_read(call, file, 1 << 16, &piece) != MS_OK) {
            return MS_FAILED;
        }
        if (piece.len == 0) {
            break;
        }
        ms_buf_str(&content, piece);
    }
    ms_file_close(file);
    ms_info("read %.*s", MS_ARG(kit_show_text(call->arena, ms_buf_done(&content))));
    return MS_OK;
}

static ms_status append_file(ms_call *call, const char *key, ms_str text) {
    ms_file *file;
    if (ms_file_open(call, key, &file) != MS_OK || ms_file_write(call, file, ms_format(call->arena, "%.*s\n", MS_ARG(text))) != MS_OK ||
        ms_file_sync(call, file) != MS_OK) {
        return MS_FAILED;
    }
    ms_file_close(file);
    return MS_OK;
}

static ms_status lease(ms_call *call, kit_actions *actions, char **words, size_t n_words, bool *known) {
    const char *what = n_words < 2 ? "" : words[1];
    if (strcmp(what, "obtain") == 0) {
        if (ms_lease_obtain(call, &actions->epoch) != MS_OK) {
            return MS_FAILED;
        }
        ms_info("lease %llu", (unsigned long long)actions->epoch);
    } else if (strcmp(what, "confirm") == 0) {
        if (ms_lease_confirm(call, actions->epoch) != MS_OK) {
            return MS_FAILED;
        }
        ms_info("lease confirmed");
    } else if (strcmp(what, "keys") == 0) {
        ms_strs keys;
        if (ms_lease_keys(call, &keys) != MS_OK) {
            return MS_FAILED;
        }
        ms_buf buf = ms_buf_in(call->arena);
        for (size_t i = 0; i < keys.len; i++) {
            ms_buf_format(&buf, "%s%.*s", i == 0 ? "" : ", ", MS_ARG(keys.items[i]));
        }
        ms_info("lease keys %.*s", MS_ARG(ms_buf_done(&buf)));
    } else if (strcmp(what, "read") == 0 && n_words == 3) {
        ms_bytes value;
        if (ms_lease_get(call, words[2], &value) != MS_OK) {
            return MS_FAILED;
        }
        ms_info("lease %s=%.*s", words[2], MS_ARG(value.data == NULL ? ms_s("null") : value));
    } else if (strcmp(what, "write") == 0 && n_words == 4) {
        ms_key_change change = { ms_s(words[2]), strcmp(words[3], "-") == 0 ? ms_none() : ms_s(words[3]) };
        return ms_lease_write(call, actions->epoch, &change, 1);
    } else {
        *known = false;
    }
    return MS_OK;
}

static ms_status sql(ms_call *call) {
    ms_database *database;
    ms_sql_rows *rows;
    ms_batch *batch;
    if (ms_database_open(call, "db", NULL, &database) != MS_OK ||
        ms_database_query(call, database, "select 1 + 1 as n, 'x' as s", NULL, 0, NULL, &rows) != MS_OK) {
        return MS_FAILED;
    }
    for (;;) {
        if (ms_sql_rows_next(call, rows, 100, 1 << 20, &batch) != MS_OK) {
            return MS_FAILED;
        }
        if (batch == NULL) {
            break;
        }
        for (uint32_t row = 0; row < ms_batch_rows(batch); row++) {
            ms_datum datum = ms_batch_datum(batch, MS_VALUE, row);
            ms_info("sql %.*s", MS_ARG(kit_show(call->arena, &datum.value)));
        }
    }
    ms_sql_rows_close(rows);
    ms_database_close(database);
    return MS_OK;
}

ms_status kit_get(ms_call *call, ms_str url) {
    ms_http_request request = { .method = "GET", .url = url };
    ms_http_response response;
    if (ms_http_send(call, &request, &response) != MS_OK) {
        return ms_fail(call, MS_FATAL, "GET %.*s", MS_ARG(url));
    }
    ms_info("http %u %.*s", response.status, MS_ARG(kit_show_text(call->arena, response.body)));
    return MS_OK;
}

static void say(const char *level, ms_str text) {
    static const char *const levels[] = { "trace", "debug", "info", "warn", "error" };
    for (int i = 0; i < 5; i++) {
        if (strcmp(levels[i], level) == 0) {
            ms_log((ms_level)i, "%.*s", MS_ARG(text));
        }
    }
}

static ms_status do_action(ms_call *call, kit_actions *actions, const char *place, char **words, size_t n, kit_other other) {
    bool known = true;
    const char *word = words[0];
    int64_t number = 0;
    if (strcmp(word, "fail") == 0 && n == 2) {
        return kit_fail(call, words[1], place);
    } else if (strcmp(word, "own") == 0) {
        return kit_own(call);
    } else if (strcmp(word, "panic") == 0) {
        kit_panic();
    } else if (strcmp(word, "loop") == 0) {
        compute_for_ever();
    } else if (strcmp(word, "recurse") == 0) {
        ms_info("%llu", (unsigned long long)call_myself(0));
    } else if (strcmp(word, "hoard") == 0) {
        hoard();
    } else if (strcmp(word, "log") == 0 && 2 <= n) {
        say(words[1], rest(call, words, n, 2));
    } else if (strcmp(word, "flood") == 0 && n == 2) {
        if (kit_number(call, words[1], &number) != MS_OK) {
            return MS_FAILED;
        }
        for (int64_t line = 0; line < number; line++) {
            ms_info("line %lld", (long long)line);
        }
    } else if (strcmp(word, "wait") == 0 && n == 2) {
        if (kit_number(call, words[1], &number) != MS_OK) {
            return MS_FAILED;
        }
        ms_info("waited %s", ms_wait((uint32_t)number) ? "true" : "false");
    } else if (strcmp(word, "read") == 0 && n == 2) {
        return read_file(call, words[1]);
    } else if (strcmp(word, "append") == 0 && 2 <= n) {
        return append_file(call, words[1], rest(call, words, n, 2));
    } else if (strcmp(word, "sql") == 0) {
        return sql(call);
    } else {
        known = strcmp(word, "lease") == 0;
        ms_status status = known ? lease(call, actions, words, n, &known) : MS_OK;
        if (status == MS_OK && !known && other != NULL) {
            known = true;
            status = other(call, place, words, n, &known);
        }
        if (status != MS_OK) {
            return status;
        }
    }
    return known ? MS_OK : unreadable(call, rest(call, words, n, 0));
}

ms_status kit_act(ms_call *call, kit_actions *actions, const char *place, kit_other other) {
    for (size_t i = 0; i < actions->len; i++) {
        kit_action *action = &actions->items[i];
        if (!ms_is(action->place, place) || (++action->calls != action->number && action->number != 0)) {
            continue;
        }
        char *words[MAX_WORDS];
        size_t n = 0;
        char *text = ms_cstr(call->arena, action->text);
        for (char *at = text; at != NULL && n < MAX_WORDS;) {
            words[n++] = at;
            /* The last word has all that is left. */
            at = n == MAX_WORDS ? NULL : strchr(at, ' ');
            if (at != NULL) {
                *at++ = '\0';
            }
        }
        if (do_action(call, actions, place, words, n, other) != MS_OK) {
            return MS_FAILED;
        }
    }
    return MS_OK;
}

ms_status kit_act_once(ms_call *call, const char *place) {
    kit_actions *actions = MS_NEW(call->arena, kit_actions);
    ms_str text = ms_config_get(call->config, "do");
    return kit_parse(call, text.data == NULL ? ms_s("") : text, actions) == MS_OK ? kit_act(call, actions, place, NULL) : MS_FAILED;
}

ms_status kit_connector_action(ms_call *call, const char *place, char **words, size_t n, bool *known) {
    (void)place;
    int64_t ms;
    if (strcmp(words[0], "reconfigure") == 0) {
        ms_request_task_reconfiguration();
    } else if (strcmp(words[0], "raise") == 0) {
        ms_fail(call, MS_FATAL, "raised on purpose");
        ms_raise_error(call);
    } else if (strcmp(words[0], "configs-rest") == 0 && n == 2) {
        if (kit_number(call, words[1], &ms) != MS_OK) {
            return MS_FAILED;
        }
        ms_rest((uint32_t)ms);
    } else {
        *known = false;
    }
    return MS_OK;
}

void kit_numbered(ms_call *call, ms_task_configs *configs, uint32_t count) {
    for (uint32_t task = 0; task < count; task++) {
        ms_add_task_config(configs);
        ms_set_task_config(configs, "task", ms_format(call->arena, "%u", task));
    }
}

MS_COMPONENT(&kit_source, &kit_sink, &kit_echo, &kit_stamp, &kit_set_field, &kit_split, &kit_odd, &kit_count, &kit_has_text, &kit_converter,
             &kit_header_converter);
