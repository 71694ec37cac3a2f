/* Parsing a configuration with the table of keys, in Kafka's words. */
#include "internal.h"

#include <stdlib.h>

static const char *const TYPE_NAMES[] = { "STRING", "PASSWORD", "BOOLEAN", "SHORT", "INT", "LONG", "DOUBLE", "LIST", "CLASS" };

const char *ms_key_type_name(ms_key_type type) { return TYPE_NAMES[type]; }

ms_str ms_config_get(const ms_config *config, const char *key) {
    for (size_t i = 0; i < config->n_settings; i++) {
        if (ms_is(config->settings[i].key, key)) {
            return config->settings[i].value;
        }
    }
    return ms_none();
}

bool ms_config_is_null(const ms_call *call, const char *key) {
    for (size_t i = 0; call->plugin->keys != NULL && call->plugin->keys[i].name != NULL; i++) {
        if (strcmp(call->plugin->keys[i].name, key) == 0) {
            return call->config->parsed == NULL || call->config->parsed[i].is_null;
        }
    }
    ms_panic("key %s is not in the table of %s", key, call->plugin->class_name);
}

ms_str ms_config_value_text(ms_arena *arena, const ms_config_value *value) {
    if (value->is_null) {
        return ms_s("null");
    }
    char text[40];
    switch (value->type) {
    case MS_KEY_BOOLEAN:
        return ms_s(value->boolean ? "true" : "false");
    case MS_KEY_SHORT:
    case MS_KEY_INT:
    case MS_KEY_LONG:
        return ms_format(arena, "%lld", (long long)value->integer);
    case MS_KEY_DOUBLE:
        return ms_dup(arena, ms_sn(text, ms_double_text(value->number, text)));
    case MS_KEY_LIST: {
        ms_buf buf = ms_buf_in(arena);
        ms_buf_char(&buf, '[');
        for (size_t i = 0; i < value->list.len; i++) {
            ms_buf_text(&buf, i == 0 ? "" : ", ");
            ms_buf_str(&buf, value->list.items[i]);
        }
        ms_buf_char(&buf, ']');
        return ms_buf_done(&buf);
    }
    default:
        return value->text;
    }
}

/* ---- texts as Java reads them */

static bool read_boolean(ms_str text, bool *value) {
    const char *const words[] = { "false", "true" };
    for (int word = 0; word < 2; word++) {
        size_t at = 0;
        const char *letter = words[word];
        for (; *letter != '\0' && at < text.len; letter++, at++) {
            unsigned char c = (unsigned char)text.data[at];
            if (c == 0xc5 && at + 1 < text.len && (unsigned char)text.data[at + 1] == 0xbf) {
                /* Java compares in upper case, so that the long s counts as an s. */
                c = 's';
                at++;
            }
            c = 'A' <= c && c <= 'Z' ? (unsigned char)(c + 32) : c;
            if (c != (unsigned char)*letter) {
                break;
            }
        }
        if (*letter == '\0' && at == text.len) {
            *value = word == 1;
            return true;
        }
    }
    return false;
}

static bool read_integer(ms_str text, int bits, int64_t *value) {
    size_t at = text.len != 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    bool minus = at == 1 && text.data[0] == '-';
    uint64_t size = 0, greatest = (UINT64_C(1) << (bits - 1)) - (minus ? 0 : 1);
    if (at == text.len) {
        return false;
    }
    for (; at < text.len; at++) {
        unsigned digit = (unsigned)(text.data[at] - '0');
        if (9 < digit || (greatest - digit) / 10 < size) {
            return false;
        }
        size = size * 10 + digit;
    }
    *value = minus ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

static bool read_double(ms_arena *arena, ms_str text, double *value) {
    char *copy = ms_cstr(arena, text), *at = copy, *end;
    at += *at == '-' || *at == '+' ? 1 : 0;
    bool is_word = strcmp(at, "NaN") == 0 || strcmp(at, "Infinity") == 0;
    bool is_hexadecimal = at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
    /* C knows words and forms that Java does not. */
    if (!is_word && !is_hexadecimal && *at != '.' && (*at < '0' || '9' < *at)) {
        return false;
    }
    if (is_hexadecimal && strpbrk(at, "pP") == NULL) {
        return false;
    }
    *value = strtod(copy, &end);
    if (!is_word && end != copy && (*end == 'd' || *end == 'D' || *end == 'f' || *end == 'F')) {
        end++;
    }
    return end != copy && *end == '\0' && (size_t)(end - copy) == text.len;
}

static bool is_regex_blank(char c) { return c == ' ' || ('\t' <= c && c <= '\r'); }

static ms_strs read_list(ms_arena *arena, ms_str text, bool distinct) {
    ms_strs list = { MS_NEW(arena, ms_str), 0 };
    if (text.len == 0) {
        return list;
    }
    size_t items = 1;
    for (size_t i = 0; i < text.len; i++) {
        items += text.data[i] == ',';
    }
    ms_str *found = MS_NEW_ARRAY(arena, ms_str, items);
    list.items = found;
    for (size_t start = 0, i = 0; i <= text.len; i++) {
        if (i < text.len && text.data[i] != ',') {
            continue;
        }
        size_t first = start, end = i;
        while (first < end && is_regex_blank(text.data[first])) {
            first++;
        }
        while (first < end && is_regex_blank(text.data[end - 1])) {
            end--;
        }
        ms_str item = ms_dup(arena, ms_sn(text.data + first, end - first));
        bool known = false;
        for (size_t j = 0; distinct && j < list.len; j++) {
            known = known || ms_eq(found[j], item);
        }
        if (!known) {
            found[list.len++] = item;
        }
        start = i + 1;
    }
    return list;
}

/* The value of a text; a problem if it is none of the key's type. */
static const char *read_value(ms_arena *arena, const ms_key *key, ms_str raw, ms_config_value *value) {
    ms_str text = ms_trim(raw);
    value->is_null = false;
    switch (key->type) {
    case MS_KEY_BOOLEAN:
        return read_boolean(text, &value->boolean) ? NULL : "Expected value to be either true or false";
    case MS_KEY_SHORT:
        return read_integer(text, 16, &value->integer) ? NULL : "Not a number of type SHORT";
    case MS_KEY_INT:
        return read_integer(text, 32, &value->integer) ? NULL : "Not a number of type INT";
    case MS_KEY_LONG:
        return read_integer(text, 64, &value->integer) ? NULL : "Not a number of type LONG";
    case MS_KEY_DOUBLE:
        return read_double(arena, text, &value->number) ? NULL : "Not a number of type DOUBLE";
    case MS_KEY_LIST:
        value->list = read_list(arena, text, key->rule.kind == MS_RULE_LIST && !key->rule.allow_duplicates);
        return NULL;
    default:
        value->text = ms_dup(arena, text);
        return NULL;
    }
}

/* ---- keys */

static ms_status invalid(ms_call *call, const ms_key *key, ms_str shown, const char *problem) {
    if (key->type == MS_KEY_PASSWORD && !ms_is(shown, "null")) {
        shown = ms_s("[hidden]");
    }
    return ms_fail(call, MS_CONFIG, "Invalid value %.*s for configuration %s: %s", MS_ARG(shown), key->name, problem);
}

/* The setting of a key: whether it is there, and its value. */
static bool find(const ms_setting *settings, size_t count, const char *key, ms_str *value) {
    for (size_t i = 0; i < count; i++) {
        if (ms_is(settings[i].key, key)) {
            *value = settings[i].value;
            return true;
        }
    }
    return false;
}

/* Without the plugin's own check. */
static ms_status parse_key(ms_call *call, const ms_key *key, const ms_setting *settings, size_t count, ms_config_value *value) {
    ms_str raw = ms_s(key->default_value);
    bool is_set = find(settings, count, key->name, &raw);
    if (!is_set && key->required) {
        return ms_fail(call, MS_CONFIG, "Missing required configuration \"%s\" which has no default value.", key->name);
    }
    memset(value, 0, sizeof *value);
    value->type = key->type;
    value->is_null = true;
    if (raw.data != NULL) {
        const char *problem = read_value(call->memory, key, raw, value);
        if (problem != NULL) {
            return invalid(call, key, raw, problem);
        }
    }
    bool whole = false;
    ms_str item = ms_none();
    ms_str problem = ms_rule_check(call->arena, &key->rule, key, value, &whole, &item);
    if (problem.data == NULL) {
        return MS_OK;
    }
    if (whole) {
        return ms_fail(call, MS_CONFIG, "%.*s", MS_ARG(problem));
    }
    return invalid(call, key, item.data != NULL ? item : ms_config_value_text(call->arena, value), ms_cstr(call->arena, problem));
}

static ms_status run_check(ms_call *call, const ms_key *key, const ms_config_value *value) {
    const char *problem = key->check == NULL ? NULL : key->check(call->arena, value);
    return problem == NULL ? MS_OK : invalid(call, key, ms_config_value_text(call->arena, value), problem);
}

/* Puts a parsed value into the author's struct. */
static void store(const ms_plugin *plugin, const ms_key *key, const ms_config_value *value, void *values) {
    static const size_t sizes[] = { sizeof(ms_str), sizeof(ms_str), sizeof(bool), sizeof(int16_t), sizeof(int32_t), sizeof(int64_t),
                                    sizeof(double), sizeof(ms_strs), sizeof(ms_str) };
    if (key->member_size == 0) {
        return;
    }
    if (key->member_size != sizes[key->type] || plugin->config_size < key->offset + key->member_size) {
        ms_panic("%s: key %s of type %s is declared for a member of %zu bytes, which has to have %zu, within config_size", plugin->class_name,
                 key->name, TYPE_NAMES[key->type], key->member_size, sizes[key->type]);
    }
    char *member = (char *)values + key->offset;
    int16_t narrow = (int16_t)value->integer;
    int32_t plain = (int32_t)value->integer;
    const void *sources[] = { &value->text, &value->text, &value->boolean, &narrow, &plain, &value->integer, &value->number, &value->list, &value->text };
    if (!value->is_null) {
        memcpy(member, sources[key->type], key->member_size);
    }
}

ms_config *ms_config_of(ms_arena *memory, const ms_setting *settings, size_t count) {
    ms_config *config = MS_NEW(memory, ms_config);
    ms_setting *copy = MS_NEW_ARRAY(memory, ms_setting, count);
    for (size_t i = 0; i < count; i++) {
        copy[i].key = ms_dup(memory, settings[i].key);
        copy[i].value = ms_dup(memory, settings[i].value);
    }
    config->settings = copy;
    config->n_settings = count;
    return config;
}

ms_status ms_config_parse(ms_call *call, const ms_plugin *plugin, const ms_setting *settings, size_t count, ms_config **config) {
    ms_config *parsed = ms_config_of(call->memory, settings, count);
    size_t n_keys = 0;
    while (plugin->keys != NULL && plugin->keys[n_keys].name != NULL) {
        n_keys++;
    }
    void *values = ms_alloc(call->memory, plugin->config_size);
    ms_config_value *each = MS_NEW_ARRAY(call->memory, ms_config_value, n_keys);
    for (size_t i = 0; i < n_keys; i++) {
        const ms_key *key = &plugin->keys[i];
        if (parse_key(call, key, settings, count, &each[i]) != MS_OK || run_check(call, key, &each[i]) != MS_OK) {
            return MS_FAILED;
        }
        if (key->required && each[i].is_null) {
            /* Present without a value: the author relies on one. */
            return invalid(call, key, ms_s("null"), "Value must be non-null");
        }
        store(plugin, key, &each[i], values);
    }
    parsed->values = values;
    parsed->parsed = each;
    *config = parsed;
    return MS_OK;
}

void ms_config_run_checks(ms_call *call, const ms_plugin *plugin, const ms_setting *settings, size_t count, ms_problems *problems) {
    for (size_t i = 0; plugin->keys != NULL && plugin->keys[i].name != NULL; i++) {
        const ms_key *key = &plugin->keys[i];
        ms_config_value value;
        if (key->check == NULL) {
            continue;
        }
        /* Keys that the host refuses anyway are left out. */
        if (parse_key(call, key, settings, count, &value) != MS_OK) {
            ms_recover(call);
            continue;
        }
        if (run_check(call, key, &value) != MS_OK) {
            const ms_error *error = ms_recover(call);
            ms_problem(problems, key->name, "%.*s", MS_ARG(error->message));
        }
    }
}
