/* What a component says about itself: the JSON of `describe`, made from the tables. */
#include "internal.h"

static const char *const KINDS[] = { "source", "sink", "transform", "predicate", "converter", "header_converter" };
static const char *const IMPORTANCES[] = { "MEDIUM", "HIGH", "LOW" };
static const char *const WIDTHS[] = { "NONE", "SHORT", "MEDIUM", "LONG" };

static void text(ms_buf *buf, const char *name, const char *value) {
    ms_buf_format(buf, ",\"%s\":", name);
    if (value == NULL) {
        ms_buf_text(buf, "null");
    } else {
        ms_buf_json(buf, ms_s(value));
    }
}

static const char *default_of(const ms_key *keys, const char *name) {
    for (; keys->name != NULL; keys++) {
        if (strcmp(keys->name, name) == 0) {
            return keys->default_value != NULL && *keys->default_value != '\0' ? keys->default_value : NULL;
        }
    }
    return NULL;
}

/* Whether an earlier row has the same role. */
static bool seen(const ms_key_role *with, const ms_key_role *role) {
    for (; with != role; with++) {
        if (strcmp(with->role, role->role) == 0) {
            return true;
        }
    }
    return false;
}

/* Roles with their keys, and what holds of those that are not set. */
static void http(ms_buf *buf, const ms_opens *opens, const ms_key *keys) {
    const ms_key_role *with = opens->with;
    bool first = true;
    ms_buf_format(buf, "{\"http\":\"%s\",\"with\":{", opens->kind == MS_OPENS_HTTP_URL ? "url" : "origins");
    for (const ms_key_role *role = with; role != NULL && role->role != NULL; role++) {
        if (seen(with, role)) {
            continue;
        }
        ms_buf_text(buf, first ? "" : ",");
        first = false;
        ms_buf_json(buf, ms_s(role->role));
        ms_buf_text(buf, ":[");
        for (const ms_key_role *other = role; other->role != NULL; other++) {
            if (strcmp(other->role, role->role) == 0) {
                ms_buf_text(buf, other == role ? "" : ",");
                ms_buf_json(buf, ms_s(other->key));
            }
        }
        ms_buf_char(buf, ']');
    }
    ms_buf_text(buf, "},\"defaults\":{");
    first = true;
    for (const ms_key_role *role = with; role != NULL && role->role != NULL; role++) {
        const char *value = NULL;
        for (const ms_key_role *other = role; !seen(with, role) && value == NULL && other->role != NULL; other++) {
            value = strcmp(other->role, role->role) == 0 ? default_of(keys, other->key) : NULL;
        }
        if (value != NULL) {
            ms_buf_text(buf, first ? "" : ",");
            first = false;
            ms_buf_json(buf, ms_s(role->role));
            ms_buf_char(buf, ':');
            ms_buf_json(buf, ms_s(value));
        }
    }
    ms_buf_text(buf, "}}");
}

static void describe_opens(ms_buf *buf, const ms_opens *opens, const ms_key *keys) {
    switch (opens->kind) {
    case MS_OPENS_READ_FILE:
        ms_buf_text(buf, "{\"file\":\"read\"}");
        break;
    case MS_OPENS_READ_FILE_OR_STDIN:
        ms_buf_text(buf, "{\"file\":\"read\",\"or\":\"stdin\"}");
        break;
    case MS_OPENS_APPEND_FILE:
        ms_buf_text(buf, "{\"file\":\"append\"}");
        break;
    case MS_OPENS_APPEND_FILE_OR_STDOUT:
        ms_buf_text(buf, "{\"file\":\"append\",\"or\":\"stdout\"}");
        break;
    case MS_OPENS_HTTP_URL:
    case MS_OPENS_HTTP_ORIGINS:
        http(buf, opens, keys);
        break;
    case MS_OPENS_SOCKET:
        ms_buf_text(buf, "{\"socket\":\"address\"}");
        break;
    case MS_OPENS_SQL:
        ms_buf_text(buf, "{\"sql\":{");
        for (const ms_key_role *role = opens->with; role != NULL && role->role != NULL; role++) {
            ms_buf_text(buf, role == opens->with ? "" : ",");
            ms_buf_json(buf, ms_s(role->role));
            ms_buf_char(buf, ':');
            ms_buf_json(buf, ms_s(role->key));
        }
        ms_buf_text(buf, "}}");
        break;
    case MS_OPENS_TOPIC:
        ms_buf_text(buf, "{\"topic\":\"write\"");
        if (opens->default_topic != NULL) {
            text(buf, "default", opens->default_topic);
        }
        for (const ms_key_role *role = opens->with; role != NULL && role->role != NULL; role++) {
            text(buf, role->role, role->key);
        }
        ms_buf_char(buf, '}');
        break;
    case MS_OPENS_NOTHING:
        break;
    }
}

static void describe_key(ms_buf *buf, const ms_key *key, const ms_key *keys) {
    ms_buf_text(buf, "{\"name\":");
    ms_buf_json(buf, ms_s(key->name));
    text(buf, "type", ms_key_type_name(key->type));
    ms_buf_format(buf, ",\"required\":%s", key->required ? "true" : "false");
    text(buf, "default", key->default_value);
    text(buf, "importance", IMPORTANCES[key->importance]);
    text(buf, "documentation", key->doc == NULL ? "" : key->doc);
    text(buf, "group", key->group);
    ms_buf_format(buf, ",\"order\":%d", key->group == NULL && key->order == 0 ? -1 : (int)key->order);
    text(buf, "width", WIDTHS[key->width]);
    text(buf, "display_name", key->display_name == NULL ? key->name : key->display_name);
    ms_buf_text(buf, ",\"dependents\":");
    ms_buf_json_list(buf, key->dependents);
    ms_buf_text(buf, ",\"recommended\":");
    ms_buf_json_list(buf, key->recommended);
    if (key->rule.kind != MS_RULE_NONE) {
        ms_buf_text(buf, ",\"validator\":");
        ms_rule_describe(buf, &key->rule);
    }
    if (key->opens.kind != MS_OPENS_NOTHING) {
        ms_buf_text(buf, ",\"opens\":");
        describe_opens(buf, &key->opens, keys);
    }
    ms_buf_char(buf, '}');
}

static void describe_plugin(ms_buf *buf, const ms_plugin *plugin) {
    ms_buf_format(buf, "{\"kind\":\"%s\"", KINDS[plugin->kind]);
    text(buf, "class", plugin->class_name);
    if (plugin->task_class != NULL) {
        text(buf, "task_class", plugin->task_class);
    }
    ms_buf_text(buf, ",\"aliases\":");
    ms_buf_json_list(buf, plugin->aliases);
    if (plugin->version != NULL) {
        text(buf, "version", plugin->version);
    }
    text(buf, "documentation", plugin->documentation == NULL ? "" : plugin->documentation);
    if (plugin->kind == MS_SOURCE) {
        ms_buf_format(buf, ",\"commit_records\":%s", plugin->commit_records ? "true" : "false");
    }
    if (plugin->wants_lease) {
        ms_buf_text(buf, ",\"wants\":[\"lease\"]");
    }
    ms_buf_text(buf, ",\"config\":[");
    for (size_t i = 0; plugin->keys != NULL && plugin->keys[i].name != NULL; i++) {
        ms_buf_text(buf, i == 0 ? "" : ",");
        describe_key(buf, &plugin->keys[i], plugin->keys);
    }
    ms_buf_text(buf, "]}");
}

ms_str ms_describe(ms_arena *arena, const ms_plugin *const *plugins) {
    ms_buf buf = ms_buf_in(arena);
    ms_buf_text(&buf, "{\"batch_formats\":[1],\"plugins\":[");
    for (size_t i = 0; plugins[i] != NULL; i++) {
        ms_buf_text(&buf, i == 0 ? "" : ",");
        describe_plugin(&buf, plugins[i]);
    }
    ms_buf_text(&buf, "]}");
    return ms_buf_done(&buf);
}
