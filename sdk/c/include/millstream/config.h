/* Configuration: keys are declared once, in a table. The host documents and checks them from it, and the SDK parses with it
 * into a struct of the author's. */
#ifndef MILLSTREAM_CONFIG_H
#define MILLSTREAM_CONFIG_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The type of a key's values, as in Kafka's ConfigDef, and what the member of the struct is that gets them. */
typedef enum ms_key_type {
    MS_KEY_STRING = 0, /* ms_str, trimmed; absent for null */
    MS_KEY_PASSWORD,   /* ms_str; never shown */
    MS_KEY_BOOLEAN,    /* bool */
    MS_KEY_SHORT,      /* int16_t */
    MS_KEY_INT,        /* int32_t */
    MS_KEY_LONG,       /* int64_t */
    MS_KEY_DOUBLE,     /* double */
    MS_KEY_LIST,       /* ms_strs; `items` NULL for null */
    MS_KEY_CLASS       /* ms_str */
} ms_key_type;

typedef enum ms_importance { MS_MEDIUM = 0, MS_HIGH, MS_LOW } ms_importance;
typedef enum ms_width { MS_WIDTH_NONE = 0, MS_WIDTH_SHORT, MS_WIDTH_MEDIUM, MS_WIDTH_LONG } ms_width;

/* Several texts. */
typedef struct ms_strs {
    const ms_str *items;
    size_t len;
} ms_strs;

/* What values a key accepts. The list is closed: the host checks them, too. */
typedef enum ms_rule_kind {
    MS_RULE_NONE = 0,
    MS_RULE_RANGE,
    MS_RULE_ONE_OF,
    MS_RULE_ONE_OF_IGNORE_CASE,
    MS_RULE_NON_EMPTY,
    MS_RULE_NON_NULL,
    MS_RULE_NON_EMPTY_WITHOUT_CONTROL_CHARS,
    MS_RULE_LIST,
    MS_RULE_UNIQUE_ALIASES,
    MS_RULE_SOME_ITEMS,
    MS_RULE_REGEX,
    MS_RULE_ALL,
    MS_RULE_NULL_OR
} ms_rule_kind;

typedef struct ms_rule {
    ms_rule_kind kind;
    bool has_min, has_max;
    bool allow_empty, allow_null, allow_duplicates;
    double min, max;
    /* ONE_OF…, LIST: accepted texts, ended by NULL. */
    const char *const *values;
    /* ALL: rules that all hold, ended by one of kind NONE. NULL_OR: the one that holds for what is not null. */
    const struct ms_rule *rules;
} ms_rule;

/* For `.rule =` of a key. */
#define MS_RANGE(least, greatest) { MS_RULE_RANGE, true, true, false, false, false, (least), (greatest), NULL, NULL }
#define MS_AT_LEAST(least) { MS_RULE_RANGE, true, false, false, false, false, (least), 0, NULL, NULL }
#define MS_AT_MOST(greatest) { MS_RULE_RANGE, false, true, false, false, false, 0, (greatest), NULL, NULL }
#define MS_NON_EMPTY { MS_RULE_NON_EMPTY, false, false, false, false, false, 0, 0, NULL, NULL }
#define MS_NON_NULL { MS_RULE_NON_NULL, false, false, false, false, false, 0, 0, NULL, NULL }
#define MS_REGEX { MS_RULE_REGEX, false, false, false, false, false, 0, 0, NULL, NULL }
/* At least one item, none of them empty or given twice. */
#define MS_NON_EMPTY_LIST { MS_RULE_LIST, false, false, false, false, false, 0, 0, NULL, NULL }
/* One of the texts of an array that ends with NULL. */
#define MS_ONE_OF(texts) { MS_RULE_ONE_OF, false, false, false, false, false, 0, 0, (texts), NULL }
#define MS_ONE_OF_IGNORE_CASE(texts) { MS_RULE_ONE_OF_IGNORE_CASE, false, false, false, false, false, 0, 0, (texts), NULL }

/* What the value of a key opens for the plugin, which reaches nothing else. */
typedef enum ms_opens_kind {
    MS_OPENS_NOTHING = 0,
    MS_OPENS_READ_FILE,
    MS_OPENS_READ_FILE_OR_STDIN,
    MS_OPENS_APPEND_FILE,
    MS_OPENS_APPEND_FILE_OR_STDOUT,
    MS_OPENS_HTTP_URL,
    MS_OPENS_HTTP_ORIGINS,
    MS_OPENS_SOCKET,
    MS_OPENS_SQL,
    MS_OPENS_TOPIC
} ms_opens_kind;

typedef struct ms_key_role {
    const char *role, *key;
} ms_key_role;

typedef struct ms_opens {
    ms_opens_kind kind;
    /* HTTP: roles of other keys (`description.md` beside the contract lists them), ended by one without role. SQL: roles `user`,
     * `password` and `properties`. TOPIC: `replication`. */
    const ms_key_role *with;
    /* TOPIC: its name where the key is not set. */
    const char *default_topic;
} ms_opens;

/* The parsed value of a key. */
typedef struct ms_config_value {
    ms_key_type type;
    bool is_null;
    bool boolean;
    /* SHORT, INT, LONG */
    int64_t integer;
    double number;
    ms_str text;
    ms_strs list;
} ms_config_value;

/* A key. */
typedef struct ms_key {
    ms_key_type type;
    const char *name;
    /* Where its value goes in the author's struct; 0 with `member_size` 0 for nowhere. Use MS_KEY(…). */
    size_t offset, member_size;
    bool required;
    /* The value if the key is not set, as a user would write it; NULL for null. */
    const char *default_value;
    ms_importance importance;
    /* What it does, in a sentence or two. */
    const char *doc;
    ms_rule rule;
    ms_opens opens;
    /* A further check in the plugin's own code: what is wrong with the value, NULL for nothing. The text stands in the arena. */
    const char *(*check)(ms_arena *arena, const ms_config_value *value);
    /* Heading in user interfaces, and place there. */
    const char *group;
    int32_t order;
    ms_width width;
    const char *display_name;
    /* Ended by NULL. */
    const char *const *dependents;
    const char *const *recommended;
} ms_key;

/* A row of the table, with further members behind it:
 *   MS_KEY(STRING, "topic", tick_config, topic, .required = true, .rule = MS_NON_EMPTY, .doc = "Where ticks go.") */
#define MS_KEY(key_type, key_name, config, member, ...) \
    { .type = MS_KEY_##key_type, .name = (key_name), .offset = offsetof(config, member), .member_size = sizeof(((config *)0)->member), __VA_ARGS__ }
/* Ends the table. */
#define MS_KEYS_END { .type = MS_KEY_STRING, .name = NULL }

/* A key as the user wrote it; a value may be absent. */
typedef struct ms_setting {
    ms_str key, value;
} ms_setting;

/* A configuration. */
typedef struct ms_config {
    /* The author's struct, `config_size` bytes. */
    const void *values;
    /* All keys as the user wrote them, also those that the table does not have. */
    const ms_setting *settings;
    size_t n_settings;
    /* Parsed values in the order of the table. */
    const ms_config_value *parsed;
} ms_config;

/* What the user wrote under a key; absent if it is not set. */
ms_str ms_config_get(const ms_config *config, const char *key);
/* Whether the key of the table is null. */
bool ms_config_is_null(const ms_call *call, const char *key);

#ifdef __cplusplus
}
#endif

#endif
