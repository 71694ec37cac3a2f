/* JSON: source partitions and offsets cross the contract in it, and what databases answer. */
#include "internal.h"

#include <stdlib.h>

#define MAX_JSON_DEPTH 500

void ms_buf_json(ms_buf *buf, ms_str text) {
    ms_buf_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '"' || byte == '\\') {
            ms_buf_char(buf, '\\');
            ms_buf_char(buf, (char)byte);
        } else if (byte == '\n') {
            ms_buf_text(buf, "\\n");
        } else if (byte == '\r') {
            ms_buf_text(buf, "\\r");
        } else if (byte == '\t') {
            ms_buf_text(buf, "\\t");
        } else if (byte < 0x20) {
            ms_buf_format(buf, "\\u%04x", byte);
        } else {
            ms_buf_char(buf, (char)byte);
        }
    }
    ms_buf_char(buf, '"');
}

static ms_status unsuitable(ms_call *call, const ms_value *value) {
    return ms_fail(call, MS_DATA, "a source partition or offset cannot hold a %s", ms_java_class(value));
}

static ms_status write(ms_call *call, ms_buf *buf, const ms_value *value) {
    switch (value->type) {
    case MS_NULL:
        ms_buf_text(buf, "null");
        return MS_OK;
    case MS_BOOLEAN:
        ms_buf_text(buf, value->as.boolean ? "true" : "false");
        return MS_OK;
    case MS_INT8:
    case MS_INT16:
    case MS_INT32:
    case MS_INT64:
        ms_buf_format(buf, "%lld", (long long)value->as.integer);
        return MS_OK;
    case MS_FLOAT32:
    case MS_FLOAT64: {
        char text[40];
        if (!(value->as.number - value->as.number == 0)) {
            return unsuitable(call, value);
        }
        ms_buf_add(buf, text, ms_double_text(value->as.number, text));
        return MS_OK;
    }
    case MS_STRING:
        ms_buf_json(buf, value->as.text);
        return MS_OK;
    case MS_LIST:
        ms_buf_char(buf, '[');
        for (size_t i = 0; i < value->as.list.len; i++) {
            ms_buf_text(buf, i == 0 ? "" : ",");
            if (write(call, buf, &value->as.list.items[i]) != MS_OK) {
                return MS_FAILED;
            }
        }
        ms_buf_char(buf, ']');
        return MS_OK;
    case MS_MAP:
        ms_buf_char(buf, '{');
        for (size_t i = 0; i < value->as.map.len; i++) {
            const ms_entry *entry = &value->as.map.entries[i];
            if (entry->key.type != MS_STRING) {
                return unsuitable(call, value);
            }
            ms_buf_text(buf, i == 0 ? "" : ",");
            ms_buf_json(buf, entry->key.as.text);
            ms_buf_char(buf, ':');
            if (write(call, buf, &entry->value) != MS_OK) {
                return MS_FAILED;
            }
        }
        ms_buf_char(buf, '}');
        return MS_OK;
    default:
        return unsuitable(call, value);
    }
}

ms_status ms_to_json(ms_call *call, const ms_value *value, ms_str *json) {
    ms_buf buf = ms_buf_in(call->arena);
    *json = ms_none();
    if (ms_value_check(call, value) != MS_OK || write(call, &buf, value) != MS_OK) {
        return MS_FAILED;
    }
    *json = ms_buf_done(&buf);
    return MS_OK;
}

/* ---- reading */

typedef struct parser {
    ms_call *call;
    const char *start, *at, *end;
} parser;

static ms_status bad(parser *parser, const char *expected) {
    return ms_fail(parser->call, MS_DATA, "read JSON: expected %s at byte %zu", expected, (size_t)(parser->at - parser->start));
}

static void blanks(parser *parser) {
    while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\n' || *parser->at == '\r' || *parser->at == '\t')) {
        parser->at++;
    }
}

static bool next_is(parser *parser, char byte) {
    blanks(parser);
    if (parser->at < parser->end && *parser->at == byte) {
        parser->at++;
        return true;
    }
    return false;
}

static bool word(parser *parser, const char *text) {
    size_t len = strlen(text);
    if ((size_t)(parser->end - parser->at) < len || memcmp(parser->at, text, len) != 0) {
        return false;
    }
    parser->at += len;
    return true;
}

static bool four_digits(parser *parser, uint32_t *code) {
    if (parser->end - parser->at < 4) {
        return false;
    }
    *code = 0;
    for (int i = 0; i < 4; i++) {
        char c = *parser->at++;
        int digit = '0' <= c && c <= '9' ? c - '0' : 'a' <= c && c <= 'f' ? c - 'a' + 10 : 'A' <= c && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) {
            return false;
        }
        *code = *code << 4 | (uint32_t)digit;
    }
    return true;
}

static ms_status text(parser *parser, ms_str *found) {
    ms_buf buf = ms_buf_in(parser->call->arena);
    while (parser->at < parser->end && *parser->at != '"') {
        char byte = *parser->at++;
        if ((unsigned char)byte < 0x20) {
            return bad(parser, "no control character in a text");
        }
        if (byte != '\\') {
            ms_buf_char(&buf, byte);
            continue;
        }
        char escape = parser->at < parser->end ? *parser->at++ : '\0';
        static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        const char *known = escape == '\0' ? NULL : strchr(names, escape);
        if (known != NULL) {
            ms_buf_char(&buf, meanings[known - names]);
            continue;
        }
        if (escape != 'u') {
            return bad(parser, "an escape");
        }
        uint32_t code, low;
        if (!four_digits(parser, &code)) {
            return bad(parser, "four hexadecimal digits");
        }
        if (0xd800 <= code && code < 0xdc00) {
            if (!word(parser, "\\u") || !four_digits(parser, &low) || low < 0xdc00 || 0xdfff < low) {
                return bad(parser, "the second half of a letter");
            }
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else if (0xdc00 <= code && code < 0xe000) {
            return bad(parser, "the first half of a letter");
        }
        ms_buf_utf8(&buf, code);
    }
    if (parser->at == parser->end) {
        return bad(parser, "the end of a text");
    }
    parser->at++;
    *found = ms_buf_done(&buf);
    return MS_OK;
}

static ms_status number(parser *parser, ms_value *value) {
    const char *start = parser->at;
    bool whole = true;
    if (*parser->at == '-') {
        parser->at++;
    }
    if (parser->at == parser->end || *parser->at < '0' || '9' < *parser->at) {
        return bad(parser, "a value");
    }
    while (parser->at < parser->end && strchr("0123456789.eE+-", *parser->at) != NULL && *parser->at != '\0') {
        whole = whole && '0' <= *parser->at && *parser->at <= '9';
        parser->at++;
    }
    size_t len = (size_t)(parser->at - start);
    const char *digits = start + (*start == '-');
    if (whole && len - (*start == '-') <= 19) {
        uint64_t size = 0;
        for (const char *at = digits; at < parser->at; at++) {
            size = size * 10 + (uint64_t)(*at - '0');
        }
        uint64_t greatest = (uint64_t)INT64_MAX + (*start == '-');
        if (size <= greatest) {
            *value = ms_int64(*start == '-' ? (int64_t)(0 - size) : (int64_t)size);
            return MS_OK;
        }
    }
    char *end, *copy = ms_cstr(parser->call->arena, ms_sn(start, len));
    *value = ms_float64(strtod(copy, &end));
    return *end == '\0' ? MS_OK : bad(parser, "a number");
}

static ms_status read(parser *parser, ms_value *value, unsigned depth) {
    blanks(parser);
    if (MAX_JSON_DEPTH < depth) {
        return bad(parser, "no more levels");
    }
    if (parser->at == parser->end) {
        return bad(parser, "a value");
    }
    if (*parser->at == '"') {
        parser->at++;
        ms_str found;
        if (text(parser, &found) != MS_OK) {
            return MS_FAILED;
        }
        *value = ms_string(found);
        return MS_OK;
    }
    if (*parser->at == '[' || *parser->at == '{') {
        bool is_map = *parser->at++ == '{';
        /* Both are kept as entries, whose keys a list does not have. */
        ms_buf entries = ms_buf_in(parser->call->arena);
        if (!next_is(parser, is_map ? '}' : ']')) {
            do {
                ms_entry entry = { ms_null(), ms_null() };
                if (is_map) {
                    ms_str key;
                    if (!next_is(parser, '"')) {
                        return bad(parser, "a key");
                    }
                    if (text(parser, &key) != MS_OK) {
                        return MS_FAILED;
                    }
                    if (!next_is(parser, ':')) {
                        return bad(parser, "':'");
                    }
                    entry.key = ms_string(key);
                }
                if (read(parser, &entry.value, depth + 1) != MS_OK) {
                    return MS_FAILED;
                }
                ms_buf_add(&entries, &entry, sizeof entry);
            } while (next_is(parser, ','));
            if (!next_is(parser, is_map ? '}' : ']')) {
                return bad(parser, is_map ? "',' or '}'" : "',' or ']'");
            }
        }
        size_t count = entries.len / sizeof(ms_entry);
        if (is_map) {
            *value = ms_map((const ms_entry *)(void *)entries.data, count);
            return MS_OK;
        }
        ms_value *items = MS_NEW_ARRAY(parser->call->arena, ms_value, count);
        for (size_t i = 0; i < count; i++) {
            items[i] = ((const ms_entry *)(void *)entries.data)[i].value;
        }
        *value = ms_list(items, count);
        return MS_OK;
    }
    if (word(parser, "null")) {
        *value = ms_null();
        return MS_OK;
    }
    if (word(parser, "true")) {
        *value = ms_boolean(true);
        return MS_OK;
    }
    if (word(parser, "false")) {
        *value = ms_boolean(false);
        return MS_OK;
    }
    return number(parser, value);
}

ms_status ms_from_json(ms_call *call, ms_str json, ms_value *value) {
    parser parser = { call, json.data, json.data, json.data + json.len };
    if (read(&parser, value, 1) != MS_OK) {
        return MS_FAILED;
    }
    blanks(&parser);
    return parser.at == parser.end ? MS_OK : bad(&parser, "nothing more");
}
