/* Databases that keys open (`.opens = { MS_OPENS_SQL, … }`). User, password and TLS end in the host. Options, filters and answers
 * are JSON, as the contract (`host-sql` in connect.wit) describes them; ms_from_json reads the answers. */
#ifndef MILLSTREAM_SQL_H
#define MILLSTREAM_SQL_H

#include "record.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A session, rows of a query, a prepared statement: each ends with the instance, or earlier by its _close. */
typedef struct ms_database ms_database;
typedef struct ms_sql_rows ms_sql_rows;
typedef struct ms_statement ms_statement;

/* A value for one placeholder: `kind` says how `value` is to be read (`boolean`, `int64`, `float64`, `decimal`, `string`, `bytes`,
 * `date`, `time`, `timestamp`, `instant`); absent is NULL. */
typedef struct ms_sql_parameter {
    const char *kind;
    ms_str value;
} ms_sql_parameter;

/* A session at the database that the value of a key names. `options` is a JSON object, NULL for none. */
ms_status ms_database_open(ms_call *call, const char *key, const char *options, ms_database **database);
void ms_database_close(ms_database *database);
ms_status ms_database_about(ms_call *call, ms_database *database, ms_str *json);
/* The database's clock: `SECONDS.NNNNNNNNN`. */
ms_status ms_database_now(ms_call *call, ms_database *database, ms_str *instant);
ms_status ms_database_tables(ms_call *call, ms_database *database, const char *filter, ms_str *json);
/* Absent if there is no such table. `name` is a JSON list of its parts. */
ms_status ms_database_table(ms_call *call, ms_database *database, const char *name, ms_str *json);
/* The columns of a query, which is not run. */
ms_status ms_database_check(ms_call *call, ms_database *database, const char *sql, ms_str *json);
ms_status ms_database_query(ms_call *call, ms_database *database, const char *sql, const ms_sql_parameter *parameters, size_t count,
                            const char *options, ms_sql_rows **rows);
/* The next rows as a batch whose values are structs; NULL at the end. */
ms_status ms_sql_rows_next(ms_call *call, ms_sql_rows *rows, uint32_t max_rows, uint32_t max_bytes, ms_batch **batch);
void ms_sql_rows_close(ms_sql_rows *rows);
/* Runs a statement once; `changed` gets the rows changed. */
ms_status ms_database_execute(ms_call *call, ms_database *database, const char *sql, const ms_sql_parameter *parameters, size_t count,
                              uint64_t *changed);
ms_status ms_database_begin(ms_call *call, ms_database *database);
ms_status ms_database_commit(ms_call *call, ms_database *database);
ms_status ms_database_rollback(ms_call *call, ms_database *database);
/* Channels of PostgreSQL. */
ms_status ms_database_listen(ms_call *call, ms_database *database, const char *channel);
ms_status ms_database_notifications(ms_call *call, ms_database *database, ms_str **payloads, size_t *count);
bool ms_database_ends_rest(ms_database *database);
/* A statement to be run over the rows of batches; `bindings` is a JSON list. */
ms_status ms_database_prepare(ms_call *call, ms_database *database, const char *sql, const char *bindings, ms_statement **statement);
/* Runs it for the active rows of what `put` was given. Rows that the database refuses fail as by ms_fail_row. `changed` may be NULL. */
ms_status ms_statement_run(ms_records *records, ms_statement *statement, uint64_t *changed);
void ms_statement_close(ms_statement *statement);

#ifdef __cplusplus
}
#endif

#endif
