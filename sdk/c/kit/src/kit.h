/* What the plugins of the kit share. */
#ifndef KIT_H
#define KIT_H

#include <millstream.h>

/* The key that has actions, of a configuration that begins with `kit_config`. */
typedef struct kit_config {
    ms_str actions;
} kit_config;

#define KIT_DO(config)                                                                                                          \
    MS_KEY(STRING, "do", config, kit.actions, .default_value = "", .importance = MS_LOW, .doc = "What goes wrong, and when.")

#define MAX_ACTIONS 16
#define MAX_WORDS 24

/* An action: where, in which call (0 for every one), and its words. */
typedef struct kit_action {
    ms_str place, text;
    uint32_t number;
    uint32_t calls;
} kit_action;

/* The actions of one object, in its state. */
typedef struct kit_actions {
    kit_action items[MAX_ACTIONS];
    size_t len;
    uint64_t epoch;
} kit_actions;

/* An action that only its caller knows. */
typedef ms_status (*kit_other)(ms_call *call, const char *place, char **words, size_t n_words, bool *known);

ms_status kit_parse(ms_call *call, ms_str text, kit_actions *actions);
/* Does what is to be done in a call of a place; `other` may be NULL. */
ms_status kit_act(ms_call *call, kit_actions *actions, const char *place, kit_other other);
/* The same of a call that has a configuration only. */
ms_status kit_act_once(ms_call *call, const char *place);
ms_status kit_number(ms_call *call, const char *text, int64_t *number);
/* The failures that the actions `fail` and `own` are. */
ms_status kit_fail(ms_call *call, const char *kind, const char *place);
ms_status kit_own(ms_call *call);
void kit_panic(void);
/* GET of a URL. */
ms_status kit_get(ms_call *call, ms_str url);
/* What connectors of both kinds can do. */
ms_status kit_connector_action(ms_call *call, const char *place, char **words, size_t n_words, bool *known);

ms_str kit_show(ms_arena *arena, const ms_value *value);
ms_str kit_show_text(ms_arena *arena, ms_str text);
/* The seven records of mode `types`. */
ms_status kit_types(ms_call *call, ms_str topic, ms_collector *out);
/* Configurations of tasks: the connector's own and a number. */
void kit_numbered(ms_call *call, ms_task_configs *configs, uint32_t count);

extern const ms_plugin kit_source, kit_sink, kit_echo, kit_stamp, kit_set_field, kit_split, kit_odd, kit_count, kit_has_text, kit_converter,
    kit_header_converter;

#endif
