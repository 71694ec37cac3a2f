/* Values: making, comparing, checking and showing them. */
#include "internal.h"

ms_value ms_decimal_of(ms_arena *arena, int64_t unscaled, int32_t scale) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)((uint64_t)unscaled >> (56 - 8 * i));
    }
    /* As few bytes as hold the sign. */
    size_t first = 0;
    while (first < 7 && ((bytes[first] == 0 && bytes[first + 1] < 0x80) || (bytes[first] == 0xff && 0x80 <= bytes[first + 1]))) {
        first++;
    }
    return ms_decimal(ms_dup(arena, ms_sn(bytes + first, 8 - first)), scale);
}

ms_value ms_map1(ms_arena *arena, const char *key, ms_value item) {
    ms_entry *entry = MS_NEW(arena, ms_entry);
    entry->key = ms_string(ms_dup(arena, ms_s(key)));
    entry->value = item;
    return ms_map(entry, 1);
}

ms_value ms_struct(ms_arena *arena, const ms_schema *schema, ms_value **fields) {
    ms_value *slots = MS_NEW_ARRAY(arena, ms_value, schema->n_fields);
    ms_value value = ms_value_of(MS_STRUCT);
    value.as.record.schema = schema;
    value.as.record.fields = slots;
    *fields = slots;
    return value;
}

const ms_value *ms_get(const ms_value *container, const char *name) {
    ms_str wanted = ms_s(name);
    if (container == NULL) {
        return NULL;
    }
    if (container->type == MS_MAP) {
        for (size_t i = 0; i < container->as.map.len; i++) {
            const ms_entry *entry = &container->as.map.entries[i];
            if (entry->key.type == MS_STRING && ms_eq(entry->key.as.text, wanted)) {
                return &entry->value;
            }
        }
    } else if (container->type == MS_STRUCT) {
        ptrdiff_t place = ms_schema_field(container->as.record.schema, wanted);
        return place < 0 ? NULL : &container->as.record.fields[place];
    }
    return NULL;
}

ms_value ms_with(ms_arena *arena, const ms_value *container, const char *name, ms_value item) {
    ms_value copy = *container;
    if (container->type == MS_STRUCT) {
        size_t count = container->as.record.schema->n_fields;
        ms_value *fields = MS_NEW_ARRAY(arena, ms_value, count);
        memcpy(fields, container->as.record.fields, count * sizeof *fields);
        ptrdiff_t place = ms_schema_field(container->as.record.schema, ms_s(name));
        if (0 <= place) {
            fields[place] = item;
        }
        copy.as.record.fields = fields;
        return copy;
    }
    if (container->type != MS_MAP) {
        return ms_map1(arena, name, item);
    }
    size_t count = container->as.map.len;
    ms_entry *entries = MS_NEW_ARRAY(arena, ms_entry, count + 1);
    if (count != 0) {
        memcpy(entries, container->as.map.entries, count * sizeof *entries);
    }
    copy.as.map.entries = entries;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].key.type == MS_STRING && ms_is(entries[i].key.as.text, name)) {
            entries[i].value = item;
            return copy;
        }
    }
    entries[count].key = ms_string(ms_dup(arena, ms_s(name)));
    entries[count].value = item;
    copy.as.map.len = count + 1;
    return copy;
}

ms_value ms_without(ms_arena *arena, const ms_value *map, const char *name) {
    if (map->type != MS_MAP || ms_get(map, name) == NULL) {
        return *map;
    }
    ms_entry *entries = MS_NEW_ARRAY(arena, ms_entry, map->as.map.len);
    size_t count = 0;
    for (size_t i = 0; i < map->as.map.len; i++) {
        const ms_entry *entry = &map->as.map.entries[i];
        if (!(entry->key.type == MS_STRING && ms_is(entry->key.as.text, name))) {
            entries[count++] = *entry;
        }
    }
    return ms_map(entries, count);
}

ms_value ms_value_copy(ms_arena *arena, const ms_value *value) {
    ms_value copy = *value;
    switch (value->type) {
    case MS_STRING:
        copy.as.text = ms_dup(arena, value->as.text);
        break;
    case MS_BYTES:
    case MS_DECIMAL:
    case MS_BIG_INTEGER:
        copy.as.bytes = ms_dup(arena, value->as.bytes);
        break;
    case MS_LIST: {
        ms_value *items = MS_NEW_ARRAY(arena, ms_value, value->as.list.len);
        for (size_t i = 0; i < value->as.list.len; i++) {
            items[i] = ms_value_copy(arena, &value->as.list.items[i]);
        }
        copy.as.list.items = items;
        break;
    }
    case MS_MAP: {
        ms_entry *entries = MS_NEW_ARRAY(arena, ms_entry, value->as.map.len);
        for (size_t i = 0; i < value->as.map.len; i++) {
            entries[i].key = ms_value_copy(arena, &value->as.map.entries[i].key);
            entries[i].value = ms_value_copy(arena, &value->as.map.entries[i].value);
        }
        copy.as.map.entries = entries;
        break;
    }
    case MS_STRUCT: {
        size_t count = value->as.record.schema->n_fields;
        ms_value *fields = MS_NEW_ARRAY(arena, ms_value, count);
        for (size_t i = 0; i < count; i++) {
            fields[i] = ms_value_copy(arena, &value->as.record.fields[i]);
        }
        copy.as.record.fields = fields;
        break;
    }
    default:
        break;
    }
    return copy;
}

static bool same_bits(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b); }

bool ms_value_equal(const ms_value *a, const ms_value *b) {
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case MS_NULL:
        return true;
    case MS_BOOLEAN:
        return a->as.boolean == b->as.boolean;
    case MS_INT8:
    case MS_INT16:
    case MS_INT32:
    case MS_INT64:
    case MS_INSTANT:
        return a->as.integer == b->as.integer;
    case MS_FLOAT32:
    case MS_FLOAT64:
        return same_bits(a->as.number, b->as.number);
    case MS_STRING:
        return ms_eq(a->as.text, b->as.text);
    case MS_DECIMAL:
        return a->scale == b->scale && ms_eq(a->as.bytes, b->as.bytes);
    case MS_BYTES:
    case MS_BIG_INTEGER:
        return ms_eq(a->as.bytes, b->as.bytes);
    case MS_LIST:
        if (a->as.list.len != b->as.list.len) {
            return false;
        }
        for (size_t i = 0; i < a->as.list.len; i++) {
            if (!ms_value_equal(&a->as.list.items[i], &b->as.list.items[i])) {
                return false;
            }
        }
        return true;
    case MS_MAP:
        if (a->as.map.len != b->as.map.len) {
            return false;
        }
        for (size_t i = 0; i < a->as.map.len; i++) {
            const ms_entry *entry = &a->as.map.entries[i];
            bool found = false;
            for (size_t j = 0; j < b->as.map.len && !found; j++) {
                const ms_entry *other = &b->as.map.entries[j];
                found = ms_value_equal(&entry->key, &other->key) && ms_value_equal(&entry->value, &other->value);
            }
            if (!found) {
                return false;
            }
        }
        return true;
    case MS_STRUCT:
        if (!ms_schema_equal(a->as.record.schema, b->as.record.schema)) {
            return false;
        }
        for (size_t i = 0; i < a->as.record.schema->n_fields; i++) {
            if (!ms_value_equal(&a->as.record.fields[i], &b->as.record.fields[i])) {
                return false;
            }
        }
        return true;
    }
    return false;
}

static ms_status check_text(ms_call *call, ms_str text, const char *what) {
    if (text.data == NULL || !ms_is_utf8(text)) {
        return ms_fail(call, MS_DATA, "put a value into a batch: %s is %s", what, text.data == NULL ? "missing" : "not UTF-8");
    }
    return MS_OK;
}

/* Below so many entries it is faster to compare each with each. */
#define FEW_ENTRIES 16

/* No two entries have the same text for their key. */
static ms_status check_keys(ms_call *call, const ms_value *map) {
    size_t len = map->as.map.len, room = 32;
    while (FEW_ENTRIES < len && room < len * 2) {
        room *= 2;
    }
    /* Places of entries, from 1, by the hash of their keys. */
    uint32_t *places = FEW_ENTRIES < len ? MS_NEW_ARRAY(call->arena, uint32_t, room) : NULL;
    for (size_t i = 0; i < len; i++) {
        const ms_value *key = &map->as.map.entries[i].key;
        if (key->type != MS_STRING) {
            continue;
        }
        size_t at = 0;
        for (size_t byte = 0; places != NULL && byte < key->as.text.len; byte++) {
            at = at * 31 + (unsigned char)key->as.text.data[byte];
        }
        for (at = places == NULL ? 0 : at % room;; at = places == NULL ? at + 1 : (at + 1) % room) {
            if (places == NULL ? at == i : places[at] == 0) {
                break;
            }
            const ms_value *other = &map->as.map.entries[places == NULL ? at : places[at] - 1].key;
            if (other->type == MS_STRING && ms_eq(other->as.text, key->as.text)) {
                return ms_fail(call, MS_DATA, "put a value into a batch: the key '%.*s' is in a map twice", MS_ARG(key->as.text));
            }
        }
        if (places != NULL) {
            places[at] = (uint32_t)i + 1;
        }
    }
    return MS_OK;
}

static ms_status check(ms_call *call, const ms_value *value, unsigned depth) {
    if (MS_MAX_DEPTH < depth) {
        return ms_fail(call, MS_DATA, "put a value into a batch: the value is nested deeper than %d levels", MS_MAX_DEPTH);
    }
    switch (value->type) {
    case MS_STRING:
        return check_text(call, value->as.text, "a text");
    case MS_BYTES:
        return value->as.bytes.data != NULL ? MS_OK : ms_fail(call, MS_DATA, "put a value into a batch: bytes are missing");
    case MS_DECIMAL:
    case MS_BIG_INTEGER:
        return value->as.bytes.len != 0 ? MS_OK : ms_fail(call, MS_DATA, "put a value into a batch: a number has no bytes");
    case MS_LIST:
        for (size_t i = 0; i < value->as.list.len; i++) {
            if (check(call, &value->as.list.items[i], depth + 1) != MS_OK) {
                return MS_FAILED;
            }
        }
        return MS_OK;
    case MS_MAP:
        for (size_t i = 0; i < value->as.map.len; i++) {
            const ms_entry *entry = &value->as.map.entries[i];
            if (check(call, &entry->key, depth + 1) != MS_OK || check(call, &entry->value, depth + 1) != MS_OK) {
                return MS_FAILED;
            }
        }
        return check_keys(call, value);
    case MS_STRUCT:
        if (value->as.record.schema == NULL || value->as.record.schema->type != MS_SCHEMA_STRUCT) {
            return ms_fail(call, MS_DATA, "put a value into a batch: a struct has no schema of type STRUCT");
        }
        if (ms_schema_check(call, value->as.record.schema) != MS_OK) {
            return MS_FAILED;
        }
        for (size_t i = 0; i < value->as.record.schema->n_fields; i++) {
            if (check(call, &value->as.record.fields[i], depth + 1) != MS_OK) {
                return MS_FAILED;
            }
        }
        return MS_OK;
    default:
        return MS_OK;
    }
}

ms_status ms_value_check(ms_call *call, const ms_value *value) { return check(call, value, 1); }

const char *ms_java_class(const ms_value *value) {
    static const char *const names[] = {
        "null", "java.lang.Boolean", "java.lang.Byte", "java.lang.Short", "java.lang.Integer", "java.lang.Long", "java.lang.Float",
        "java.lang.Double", "java.lang.String", "[B", "java.math.BigDecimal", "java.math.BigInteger", "java.util.Date",
        "java.util.ArrayList", "java.util.HashMap", "org.apache.kafka.connect.data.Struct",
    };
    return names[value->type];
}

/* 1582-10-15, from which on Java counts by the Gregorian calendar, and before by the Julian one. */
#define GREGORIAN_BEGINS (-141427)

/* Days since 1970-01-01 as year, month and day. Years begin in March here, so that the day that some years have more is their last one. */
static void civil(int64_t days, int64_t *year, unsigned *month, unsigned *day) {
    unsigned of_year, year_of_era;
    int64_t era;
    if (GREGORIAN_BEGINS <= days) {
        days += 719468;
        era = days / 146097;
        unsigned of_era = (unsigned)(days - era * 146097);
        year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        era *= 400;
    } else {
        days += 719470;
        era = (0 <= days ? days : days - 1460) / 1461;
        unsigned of_era = (unsigned)(days - era * 1461);
        year_of_era = (of_era - of_era / 1460) / 365;
        of_year = of_era - 365 * year_of_era;
        era *= 4;
    }
    unsigned shifted = (5 * of_year + 2) / 153;
    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (int64_t)year_of_era + era + (*month <= 2 ? 1 : 0);
}

/* As java.util.Date in the worker's time zone: `Tue Nov 14 22:13:20 UTC 2023`. */
static void write_date(ms_buf *buf, int64_t ms) {
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t seconds = ms / 1000 - (ms % 1000 < 0 ? 1 : 0);
    ms_buf zone = ms_buf_in(buf->arena);
    seconds += ms_zone_at(seconds, &zone);
    int64_t day_number = seconds / 86400 - (seconds % 86400 < 0 ? 1 : 0);
    int64_t of_day = seconds - day_number * 86400, year;
    unsigned month, day, weekday = (unsigned)(((day_number % 7) + 7) % 7);
    civil(day_number, &year, &month, &day);
    /* Years before the first are counted from it backwards, without a zero. */
    long long shown = year <= 0 ? 1 - year : year;
    ms_buf_format(buf, "%.3s %.3s %02u %02lld:%02lld:%02lld %.*s %lld", days + weekday * 3, months + (month - 1) * 3, day,
                  (long long)(of_day / 3600), (long long)(of_day / 60 % 60), (long long)(of_day % 60), MS_ARG(ms_buf_done(&zone)), shown);
}

static void write_text(ms_buf *buf, const ms_value *value) {
    char number[40];
    switch (value->type) {
    case MS_NULL:
        ms_buf_text(buf, "null");
        break;
    case MS_BOOLEAN:
        ms_buf_text(buf, value->as.boolean ? "true" : "false");
        break;
    case MS_INT8:
    case MS_INT16:
    case MS_INT32:
    case MS_INT64:
        ms_buf_format(buf, "%lld", (long long)value->as.integer);
        break;
    case MS_FLOAT32:
        ms_buf_add(buf, number, ms_float_text((float)value->as.number, number));
        break;
    case MS_FLOAT64:
        ms_buf_add(buf, number, ms_double_text(value->as.number, number));
        break;
    case MS_STRING:
        ms_buf_str(buf, value->as.text);
        break;
    case MS_BYTES:
        /* Java shows an address here, which says nothing about the bytes. */
        ms_buf_text(buf, "[B@0");
        break;
    case MS_DECIMAL:
        ms_buf_str(buf, ms_decimal_text(buf->arena, value->as.bytes, value->scale));
        break;
    case MS_BIG_INTEGER:
        ms_buf_str(buf, ms_big_integer_text(buf->arena, value->as.bytes));
        break;
    case MS_INSTANT:
        write_date(buf, value->as.integer);
        break;
    case MS_LIST:
        ms_buf_char(buf, '[');
        for (size_t i = 0; i < value->as.list.len; i++) {
            ms_buf_text(buf, i == 0 ? "" : ", ");
            write_text(buf, &value->as.list.items[i]);
        }
        ms_buf_char(buf, ']');
        break;
    case MS_MAP:
        ms_buf_char(buf, '{');
        for (size_t i = 0; i < value->as.map.len; i++) {
            ms_buf_text(buf, i == 0 ? "" : ", ");
            write_text(buf, &value->as.map.entries[i].key);
            ms_buf_char(buf, '=');
            write_text(buf, &value->as.map.entries[i].value);
        }
        ms_buf_char(buf, '}');
        break;
    case MS_STRUCT: {
        const ms_schema *schema = value->as.record.schema;
        bool first = true;
        ms_buf_text(buf, "Struct{");
        for (size_t i = 0; i < schema->n_fields; i++) {
            if (value->as.record.fields[i].type != MS_NULL) {
                ms_buf_text(buf, first ? "" : ",");
                first = false;
                ms_buf_str(buf, schema->fields[i].name);
                ms_buf_char(buf, '=');
                write_text(buf, &value->as.record.fields[i]);
            }
        }
        ms_buf_char(buf, '}');
        break;
    }
    }
}

ms_str ms_value_text(ms_arena *arena, const ms_value *value) {
    if (value->type == MS_STRING) {
        return value->as.text;
    }
    ms_buf buf = ms_buf_in(arena);
    write_text(&buf, value);
    return ms_buf_done(&buf);
}
