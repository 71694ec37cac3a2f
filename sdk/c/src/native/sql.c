/* There is no database in tests without a host: what asks for one fails with words that say where it can be had. */
#include "native.h"

static ms_status none(ms_call *call) {
    return ms_fail(call, MS_FATAL, "there is no database in tests without a host; run the component with `millstream plugin test` instead");
}

ms_status ms_database_open(ms_call *call, const char *key, const char *options, ms_database **database) {
    (void)key, (void)options, (void)database;
    return none(call);
}
void ms_database_close(ms_database *database) { (void)database; }
void ms_sql_rows_close(ms_sql_rows *rows) { (void)rows; }
void ms_statement_close(ms_statement *statement) { (void)statement; }
ms_status ms_database_about(ms_call *call, ms_database *database, ms_str *json) {
    (void)database, (void)json;
    return none(call);
}
ms_status ms_database_now(ms_call *call, ms_database *database, ms_str *instant) {
    (void)database, (void)instant;
    return none(call);
}
ms_status ms_database_tables(ms_call *call, ms_database *database, const char *filter, ms_str *json) {
    (void)database, (void)filter, (void)json;
    return none(call);
}
ms_status ms_database_table(ms_call *call, ms_database *database, const char *name, ms_str *json) {
    (void)database, (void)name, (void)json;
    return none(call);
}
ms_status ms_database_check(ms_call *call, ms_database *database, const char *sql, ms_str *json) {
    (void)database, (void)sql, (void)json;
    return none(call);
}
ms_status ms_database_query(ms_call *call, ms_database *database, const char *sql, const ms_sql_parameter *parameters, size_t count,
                            const char *options, ms_sql_rows **rows) {
    (void)database, (void)sql, (void)parameters, (void)count, (void)options, (void)rows;
    return none(call);
}
ms_status ms_sql_rows_next(ms_call *call, ms_sql_rows *rows, uint32_t max_rows, uint32_t max_bytes, ms_batch **batch) {
    (void)rows, (void)max_rows, (void)max_bytes, (void)batch;
    return none(call);
}
ms_status ms_database_execute(ms_call *call, ms_database *database, const char *sql, const ms_sql_parameter *parameters, size_t count,
                              uint64_t *changed) {
    (void)database, (void)sql, (void)parameters, (void)count, (void)changed;
    return none(call);
}
ms_status ms_database_begin(ms_call *call, ms_database *database) {
    (void)database;
    return none(call);
}
ms_status ms_database_commit(ms_call *call, ms_database *database) {
    (void)database;
    return none(call);
}
ms_status ms_database_rollback(ms_call *call, ms_database *database) {
    (void)database;
    return none(call);
}
ms_status ms_database_listen(ms_call *call, ms_database *database, const char *channel) {
    (void)database, (void)channel;
    return none(call);
}
ms_status ms_database_notifications(ms_call *call, ms_database *database, ms_str **payloads, size_t *count) {
    (void)database, (void)payloads, (void)count;
    return none(call);
}
bool ms_database_ends_rest(ms_database *database) {
    (void)database;
    return false;
}
ms_status ms_database_prepare(ms_call *call, ms_database *database, const char *sql, const char *bindings, ms_statement **statement) {
    (void)database, (void)sql, (void)bindings, (void)statement;
    return none(call);
}
ms_status ms_statement_run(ms_records *records, ms_statement *statement, uint64_t *changed) {
    (void)statement, (void)changed;
    return none(records->call);
}
