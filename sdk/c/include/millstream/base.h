/* Texts, memory, failures: what every other part is built on. */
#ifndef MILLSTREAM_BASE_H
#define MILLSTREAM_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define MS_PRINTF(format, first) __attribute__((__format__(__printf__, format, first)))
#define MS_NORETURN __attribute__((__noreturn__))
#else
#define MS_PRINTF(format, first)
#define MS_NORETURN
#endif

/* ---- texts */

/* Bytes with a length. Texts are UTF-8 and need not end with a NUL. `data` is NULL where there is no text (null). */
typedef struct ms_str {
    const char *data;
    size_t len;
} ms_str;

/* Bytes look like texts; the name says what is meant. */
typedef ms_str ms_bytes;

/* A text from a C string; NULL becomes the absent text. */
static inline ms_str ms_s(const char *text) {
    ms_str str;
    str.data = text;
    str.len = text ? strlen(text) : 0;
    return str;
}

/* A text from its parts. */
static inline ms_str ms_sn(const void *data, size_t len) {
    ms_str str;
    str.data = (const char *)data;
    str.len = len;
    return str;
}

/* The absent text. */
static inline ms_str ms_none(void) { return ms_sn(NULL, 0); }

static inline bool ms_is_none(ms_str str) { return str.data == NULL; }

/* Same bytes. Absent texts equal only each other. */
static inline bool ms_eq(ms_str a, ms_str b) {
    return a.len == b.len && (a.data == NULL) == (b.data == NULL) && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Same bytes as a C string. */
static inline bool ms_is(ms_str a, const char *b) { return a.data != NULL && ms_eq(a, ms_s(b)); }

/* For "%.*s": ms_info("topic %.*s", MS_ARG(topic)). The text is evaluated more than once: give it a variable, not a call that does something. */
#define MS_ARG(str) (int)(str).len, (str).data ? (str).data : ""

/* Place of the first occurrence of a text in another, -1 if there is none. */
ptrdiff_t ms_find(ms_str text, ms_str part);
/* The same text without what Java's trim takes for blanks at its ends. */
ms_str ms_trim(ms_str text);
/* Whether the bytes are UTF-8. */
bool ms_is_utf8(ms_str text);

/* ---- memory */

/* Memory that is freed as a whole. */
typedef struct ms_arena ms_arena;

/* An arena of the author's own; ends with ms_arena_free. Callbacks find two that are not their own in `ms_call`. */
ms_arena *ms_arena_new(void);
void ms_arena_free(ms_arena *arena);
/* Frees all that was allocated; the arena can be used again. */
void ms_arena_reset(ms_arena *arena);
/* Zeroed memory, aligned for anything. Never NULL: without memory the instance ends with a message. */
void *ms_alloc(ms_arena *arena, size_t size);
/* Calls `release(object)` when the arena is reset or freed; the last one that was added comes first. */
void ms_defer(ms_arena *arena, void (*release)(void *), void *object);

#define MS_NEW(arena, type) ((type *)ms_alloc((arena), sizeof(type)))
#define MS_NEW_ARRAY(arena, type, count) ((type *)ms_alloc((arena), sizeof(type) * (size_t)(count)))

/* A copy in an arena, with a NUL behind it. */
ms_str ms_dup(ms_arena *arena, ms_str text);
/* The same as a C string; NULL for the absent text. */
char *ms_cstr(ms_arena *arena, ms_str text);
/* A text put together as by printf. Known are %s %.*s %c %d %i %u %x %zu %ld %lu %lld %llu %% with a width, `0` and `-`, and %g
 * and %f, which both write the shortest text that is the same number, as Java does. */
ms_str ms_format(ms_arena *arena, const char *format, ...) MS_PRINTF(2, 3);
ms_str ms_vformat(ms_arena *arena, const char *format, va_list arguments);
/* The text in capitals, letter by letter; `ß` becomes `SS`. */
ms_str ms_upper(ms_arena *arena, ms_str text);
/* The text in small letters, letter by letter. */
ms_str ms_lower(ms_arena *arena, ms_str text);

/* A text under construction. */
typedef struct ms_buf {
    ms_arena *arena;
    char *data;
    size_t len, room;
} ms_buf;

static inline ms_buf ms_buf_in(ms_arena *arena) {
    ms_buf buf;
    buf.arena = arena;
    buf.data = NULL;
    buf.len = buf.room = 0;
    return buf;
}

/* Appends bytes and returns where they stand; with `data` NULL they are zero. The place is valid until the next addition. */
char *ms_buf_add(ms_buf *buf, const void *data, size_t len);
void ms_buf_str(ms_buf *buf, ms_str text);
void ms_buf_text(ms_buf *buf, const char *text);
void ms_buf_char(ms_buf *buf, char byte);
void ms_buf_format(ms_buf *buf, const char *format, ...) MS_PRINTF(2, 3);
/* What is there, as long as nothing is added. Never the absent text. */
ms_str ms_buf_done(ms_buf *buf);

/* ---- failures */

typedef enum ms_status {
    MS_OK = 0,
    /* Failed; what went wrong has been said with ms_fail. */
    MS_FAILED = 1,
    /* Row transforms: the record is dropped on purpose. */
    MS_DROP = 2
} ms_status;

/* What the host does about a failure. */
typedef enum ms_error_kind {
    /* Trying the same again later may succeed (RetriableException). */
    MS_RETRIABLE = 0,
    /* The record is at fault (DataException). */
    MS_DATA = 1,
    /* The configuration is at fault (ConfigException). */
    MS_CONFIG = 2,
    /* Anything else: the task fails (ConnectException). */
    MS_FATAL = 3
} ms_error_kind;

/* A failure in the plugin's own words. */
typedef struct ms_error {
    ms_error_kind kind;
    /* Java class that users of Connect know. */
    ms_str class_name;
    /* What was attempted, on what, and how it failed. */
    ms_str message;
    /* What led to it, outermost first. */
    const ms_str *causes;
    size_t n_causes;
    /* Path of the field at fault; absent for none. */
    ms_str field;
} ms_error;

struct ms_config;
struct ms_plugin;

/* What a converter works on. */
typedef enum ms_role_of_converter { MS_FOR_KEY = 0, MS_FOR_VALUE = 1, MS_FOR_HEADER = 2 } ms_role_of_converter;

/* What every callback is given. */
typedef struct ms_call {
    /* Memory that is freed when the callback has returned and the host has its answer. */
    ms_arena *arena;
    /* Memory that lives as long as the instance. */
    ms_arena *memory;
    /* The author's state: `state_size` bytes of the plugin's table (`connector_size` for connectors), zero at first; NULL for none. */
    void *state;
    /* The configuration; lives as long as the instance. Its `values` are the author's struct. */
    const struct ms_config *config;
    const struct ms_plugin *plugin;
    /* Converters: what they are made for. */
    ms_role_of_converter role;
    /* What went wrong, once something has. */
    const ms_error *error;
    /* The SDK's own: schemas that it has looked at in this call. */
    const void *seen[4];
    uint32_t n_seen;
} ms_call;

/* Says what went wrong and returns MS_FAILED: `return ms_fail(call, MS_DATA, "expected text, found a %s", name);`
 * A failure that was said before in the same call becomes its cause. */
ms_status ms_fail(ms_call *call, ms_error_kind kind, const char *format, ...) MS_PRINTF(3, 4);
/* Puts the failure under another Java class than that of its kind. */
ms_status ms_fail_class(ms_call *call, const char *class_name);
/* Adds a cause to the failure. */
ms_status ms_fail_cause(ms_call *call, const char *format, ...) MS_PRINTF(2, 3);
/* Says in which field the failure is. Where it is in one already, this is the one around it. */
ms_status ms_fail_field(ms_call *call, const char *name);
/* Forgets the failure: the callback goes on. Returns what it was; valid until the callback returns. */
const ms_error *ms_recover(ms_call *call);

/* Ends the instance: the message goes to the log of the worker, and the task fails. For what must not happen; what can go
 * wrong is reported by ms_fail. */
MS_NORETURN void ms_panic(const char *format, ...) MS_PRINTF(1, 2);

/* Ends the instance with file and line unless the condition holds, also in optimised builds. assert() does the same where
 * NDEBUG is not set. */
#define ms_assert(condition) \
    ((condition) ? (void)0 : ms_panic("assertion failed: %s, at %s:%d in %s", #condition, __FILE__, __LINE__, __func__))

#ifdef __cplusplus
}
#endif

#endif
