/* Databases, answered by the host. */
#include "lower.h"

#define SQL(name) millstream_connect_host_sql_##name

/* The three kinds of handles: each is dropped with its instance, or when it is closed. */
struct ms_database {
    int32_t handle;
    bool open;
};
struct ms_sql_rows {
    int32_t handle;
    bool open;
};
struct ms_statement {
    int32_t handle;
    bool open;
};

#define DATABASE(database) ((SQL(borrow_database_t)){ (database)->handle })

static void drop_database(void *object) {
    ms_database *database = object;
    if (database->open) {
        database->open = false;
        SQL(database_drop_own)((SQL(own_database_t)){ database->handle });
    }
}

static void drop_rows(void *object) {
    ms_sql_rows *rows = object;
    if (rows->open) {
        rows->open = false;
        SQL(rows_drop_own)((SQL(own_rows_t)){ rows->handle });
    }
}

static void drop_statement(void *object) {
    ms_statement *statement = object;
    if (statement->open) {
        statement->open = false;
        SQL(statement_drop_own)((SQL(own_statement_t)){ statement->handle });
    }
}

void ms_database_close(ms_database *database) { drop_database(database); }
void ms_sql_rows_close(ms_sql_rows *rows) { drop_rows(rows); }
void ms_statement_close(ms_statement *statement) { drop_statement(statement); }

static ms_status closed(ms_call *call, const char *what) { return ms_fail(call, MS_FATAL, "%s was used after it was closed", what); }

ms_status ms_database_open(ms_call *call, const char *key, const char *options, ms_database **database) {
    c_plugin_string_t name = ms_lend(ms_s(key)), json = ms_lend(ms_s(options == NULL ? "{}" : options));
    SQL(own_database_t) handle;
    SQL(error_t) error;
    if (!SQL(static_database_open)(&name, &json, &handle, &error)) {
        return ms_take_error(call, &error);
    }
    *database = MS_NEW(call->memory, ms_database);
    (*database)->handle = handle.__handle;
    (*database)->open = true;
    ms_defer(call->memory, drop_database, *database);
    return MS_OK;
}

/* A question without an argument, or with a text, that is answered with a text. */
#define ASK(name, method)                                                                             \
    ms_status name(ms_call *call, ms_database *database, ms_str *answer) {                            \
        c_plugin_string_t text;                                                                       \
        SQL(error_t) error;                                                                           \
        if (!database->open) {                                                                        \
            return closed(call, "a database");                                                        \
        }                                                                                             \
        if (!SQL(method)(DATABASE(database), &text, &error)) {                                        \
            return ms_take_error(call, &error);                                                       \
        }                                                                                             \
        *answer = ms_take_string(call->arena, &text);                                                 \
        return MS_OK;                                                                                 \
    }

#define ASK_ABOUT(name, method)                                                                       \
    ms_status name(ms_call *call, ms_database *database, const char *question, ms_str *answer) {      \
        c_plugin_string_t asked = ms_lend(ms_s(question == NULL ? "{}" : question)), text;            \
        SQL(error_t) error;                                                                           \
        if (!database->open) {                                                                        \
            return closed(call, "a database");                                                        \
        }                                                                                             \
        if (!SQL(method)(DATABASE(database), &asked, &text, &error)) {                                \
            return ms_take_error(call, &error);                                                       \
        }                                                                                             \
        *answer = ms_take_string(call->arena, &text);                                                 \
        return MS_OK;                                                                                 \
    }

#define DO(name, method)                                                                                                                  \
    ms_status name(ms_call *call, ms_database *database) {                                                                                \
        SQL(error_t) error;                                                                                                               \
        if (!database->open) {                                                                                                            \
            return closed(call, "a database");                                                                                            \
        }                                                                                                                                 \
        return SQL(method)(DATABASE(database), &error) ? MS_OK : ms_take_error(call, &error);                                             \
    }

ASK(ms_database_about, method_database_about)
ASK(ms_database_now, method_database_now)
ASK_ABOUT(ms_database_tables, method_database_tables)
ASK_ABOUT(ms_database_check, method_database_check)
DO(ms_database_begin, method_database_begin)
DO(ms_database_commit, method_database_commit)
DO(ms_database_rollback, method_database_rollback)

ms_status ms_database_table(ms_call *call, ms_database *database, const char *name, ms_str *json) {
    c_plugin_string_t asked = ms_lend(ms_s(name));
    c_plugin_option_string_t found;
    SQL(error_t) error;
    if (!database->open) {
        return closed(call, "a database");
    }
    if (!SQL(method_database_table)(DATABASE(database), &asked, &found, &error)) {
        return ms_take_error(call, &error);
    }
    *json = found.is_some ? ms_take_string(call->arena, &found.val) : ms_none();
    return MS_OK;
}

static SQL(list_parameter_t) lend_parameters(ms_call *call, const ms_sql_parameter *parameters, size_t count) {
    SQL(list_parameter_t) list = { MS_NEW_ARRAY(call->arena, SQL(parameter_t), count), count };
    for (size_t i = 0; i < count; i++) {
        list.ptr[i].kind = ms_lend(ms_s(parameters[i].kind));
        list.ptr[i].value.is_some = parameters[i].value.data != NULL;
        list.ptr[i].value.val = ms_lend(parameters[i].value);
    }
    return list;
}

ms_status ms_database_query(ms_call *call, ms_database *database, const char *sql, const ms_sql_parameter *parameters, size_t count,
                            const char *options, ms_sql_rows **rows) {
    c_plugin_string_t text = ms_lend(ms_s(sql)), json = ms_lend(ms_s(options == NULL ? "{}" : options));
    SQL(list_parameter_t) list = lend_parameters(call, parameters, count);
    SQL(own_rows_t) handle;
    SQL(error_t) error;
    if (!database->open) {
        return closed(call, "a database");
    }
    if (!SQL(method_database_query)(DATABASE(database), &text, &list, &json, &handle, &error)) {
        return ms_take_error(call, &error);
    }
    *rows = MS_NEW(call->memory, ms_sql_rows);
    (*rows)->handle = handle.__handle;
    (*rows)->open = true;
    ms_defer(call->memory, drop_rows, *rows);
    return MS_OK;
}

ms_status ms_sql_rows_next(ms_call *call, ms_sql_rows *rows, uint32_t max_rows, uint32_t max_bytes, ms_batch **batch) {
    SQL(option_batch_t) found;
    SQL(error_t) error;
    *batch = NULL;
    if (!rows->open) {
        return closed(call, "a query");
    }
    if (!SQL(method_rows_next)((SQL(borrow_rows_t)){ rows->handle }, max_rows, max_bytes, &found, &error)) {
        return ms_take_error(call, &error);
    }
    if (!found.is_some) {
        return MS_OK;
    }
    ms_defer(call->arena, free, found.val.ptr);
    return ms_batch_open(call, ms_sn(found.val.ptr, found.val.len), batch);
}

ms_status ms_database_execute(ms_call *call, ms_database *database, const char *sql, const ms_sql_parameter *parameters, size_t count,
                              uint64_t *changed) {
    c_plugin_string_t text = ms_lend(ms_s(sql));
    SQL(list_parameter_t) list = lend_parameters(call, parameters, count);
    SQL(wide_t) wide;
    SQL(error_t) error;
    if (!database->open) {
        return closed(call, "a database");
    }
    if (!SQL(method_database_execute)(DATABASE(database), &text, &list, &wide, &error)) {
        return ms_take_error(call, &error);
    }
    if (changed != NULL) {
        *changed = ms_join(wide);
    }
    return MS_OK;
}

ms_status ms_database_listen(ms_call *call, ms_database *database, const char *channel) {
    c_plugin_string_t text = ms_lend(ms_s(channel));
    SQL(error_t) error;
    if (!database->open) {
        return closed(call, "a database");
    }
    return SQL(method_database_listen)(DATABASE(database), &text, &error) ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_database_notifications(ms_call *call, ms_database *database, ms_str **payloads, size_t *count) {
    c_plugin_list_string_t list;
    SQL(error_t) error;
    if (!database->open) {
        return closed(call, "a database");
    }
    if (!SQL(method_database_notifications)(DATABASE(database), &list, &error)) {
        return ms_take_error(call, &error);
    }
    *payloads = MS_NEW_ARRAY(call->arena, ms_str, list.len);
    *count = list.len;
    for (size_t i = 0; i < list.len; i++) {
        (*payloads)[i] = ms_take_string(call->arena, &list.ptr[i]);
    }
    if (list.len != 0) {
        free(list.ptr);
    }
    return MS_OK;
}

bool ms_database_ends_rest(ms_database *database) { return database->open && SQL(method_database_ends_rest)(DATABASE(database)); }

ms_status ms_database_prepare(ms_call *call, ms_database *database, const char *sql, const char *bindings, ms_statement **statement) {
    c_plugin_string_t text = ms_lend(ms_s(sql)), json = ms_lend(ms_s(bindings));
    SQL(own_statement_t) handle;
    SQL(error_t) error;
    if (!database->open) {
        return closed(call, "a database");
    }
    if (!SQL(method_database_prepare)(DATABASE(database), &text, &json, &handle, &error)) {
        return ms_take_error(call, &error);
    }
    *statement = MS_NEW(call->memory, ms_statement);
    (*statement)->handle = handle.__handle;
    (*statement)->open = true;
    ms_defer(call->memory, drop_statement, *statement);
    return MS_OK;
}

ms_status ms_statement_run(ms_records *records, ms_statement *statement, uint64_t *changed) {
    ms_call *call = records->call;
    SQL(done_t) done;
    SQL(error_t) error;
    if (!statement->open) {
        return closed(call, "a statement");
    }
    /* The host has the batch of the running `put`. Rows that were left out since are named by a bitmap. */
    uint8_t *active = NULL;
    c_plugin_list_u8_t only;
    if (records->changed || records->only != NULL) {
        uint32_t rows = ms_batch_rows(records->batch);
        active = ms_bits(call->arena, rows, false);
        for (uint32_t row = 0; row < rows; row++) {
            ms_bit_set(active, row, ms_is_active(records, row));
        }
        only = ms_lend_bytes(ms_sn(active, (rows + (size_t)7) / 8));
    }
    if (!SQL(method_statement_run)((SQL(borrow_statement_t)){ statement->handle }, NULL, active == NULL ? NULL : &only, &done, &error)) {
        return ms_take_error(call, &error);
    }
    for (size_t i = 0; i < done.errors.len; i++) {
        SQL(row_error_t) *row = &done.errors.ptr[i];
        ms_error *made = MS_NEW(call->arena, ms_error);
        made->kind = (ms_error_kind)row->kind;
        made->class_name = ms_take_string(call->arena, &row->class_);
        made->message = ms_take_string(call->arena, &row->message);
        made->field = row->field.is_some ? ms_take_string(call->arena, &row->field.val) : ms_none();
        ms_records_fail(records, row->row, made);
    }
    if (done.errors.len != 0) {
        free(done.errors.ptr);
    }
    if (changed != NULL) {
        *changed = ms_join(done.changed);
    }
    return MS_OK;
}
