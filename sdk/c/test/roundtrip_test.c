/* Whatever goes into a batch comes out, and what a batch cannot carry is refused with its reason. */
#include <millstream/test.h>

#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint32_t pick(uint32_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % below;
}

static ms_str word(void) {
    static const char *const words[] = { "", "a", "bc", "grüße", "漢字", "a longer text of several words" };
    return ms_s(words[pick(6)]);
}

static ms_value value_of(unsigned depth) {
    ms_arena *arena = ms_test_arena();
    switch (pick(depth < 4 ? 16 : 12)) {
    case 0:
        return ms_null();
    case 1:
        return ms_boolean(pick(2) == 1);
    case 2:
        return ms_int8((int8_t)pick(256));
    case 3:
        return ms_int16((int16_t)pick(65536));
    case 4:
        return ms_int32((int32_t)pick(UINT32_MAX));
    case 5:
        return ms_int64((int64_t)seed);
    case 6:
        return ms_float32((float)pick(1000) / 7);
    case 7:
        return ms_float64((double)pick(1000) / 7);
    case 8:
        return ms_string(word());
    case 9:
        return ms_bytes_value(word());
    case 10:
        return ms_decimal_of(arena, (int64_t)seed, (int32_t)pick(5) - 2);
    case 11:
        return ms_instant((int64_t)pick(1000000) * 1000);
    case 12: {
        size_t len = pick(4);
        ms_value *items = MS_NEW_ARRAY(arena, ms_value, len);
        for (size_t i = 0; i < len; i++) {
            items[i] = value_of(depth + 1);
        }
        return ms_list(items, len);
    }
    default: {
        size_t len = pick(4);
        bool is_text = pick(4) != 0;
        ms_entry *entries = MS_NEW_ARRAY(arena, ms_entry, len);
        for (size_t i = 0; i < len; i++) {
            entries[i].key = is_text ? ms_string(ms_format(arena, "k%zu", i + pick(2) * 10)) : ms_int32((int32_t)i);
            entries[i].value = value_of(depth + 1);
        }
        return ms_map(entries, len);
    }
    }
}

/* A schema, and a value of it. */
static ms_datum datum_of(unsigned depth) {
    ms_arena *arena = ms_test_arena();
    ms_schema *schema = ms_schema_of(arena, (ms_schema_type)pick(depth < 3 ? 12 : 9), pick(2) == 1);
    ms_datum datum = { schema, ms_null() };
    static const ms_type types[] = { MS_INT8, MS_INT16, MS_INT32, MS_INT64, MS_FLOAT32, MS_FLOAT64, MS_BOOLEAN, MS_STRING, MS_BYTES };
    if (schema->type <= MS_SCHEMA_BYTES) {
        datum.value = ms_value_of(types[schema->type]);
        if (schema->type <= MS_SCHEMA_INT64) {
            datum.value.as.integer = (int8_t)pick(256);
        } else if (MS_SCHEMA_STRING <= schema->type) {
            datum.value.as.text = word();
        }
        if (pick(5) == 0) {
            schema->doc = ms_s("a note");
        }
    } else if (schema->type == MS_SCHEMA_STRUCT) {
        size_t count = pick(4);
        ms_field *fields = MS_NEW_ARRAY(arena, ms_field, count);
        ms_value *slots = MS_NEW_ARRAY(arena, ms_value, count), *made;
        for (size_t i = 0; i < count; i++) {
            ms_datum field = datum_of(depth + 1);
            fields[i].name = ms_format(arena, "f%zu", i);
            fields[i].schema = field.schema;
            slots[i] = field.value;
        }
        schema->fields = fields;
        schema->n_fields = count;
        datum.value = ms_struct(arena, schema, &made);
        memcpy(made, slots, count * sizeof *slots);
    } else {
        ms_datum element = datum_of(depth + 1);
        schema->element = element.schema;
        ms_value *items = MS_NEW_ARRAY(arena, ms_value, 2);
        items[0] = items[1] = element.value;
        ms_entry *entry = MS_NEW(arena, ms_entry);
        entry->key = ms_text("k");
        entry->value = element.value;
        if (schema->type == MS_SCHEMA_MAP) {
            schema->key = ms_schema_of(arena, MS_SCHEMA_STRING, false);
        }
        datum.value = schema->type == MS_SCHEMA_MAP ? ms_map(entry, 1) : ms_list(items, 2);
    }
    if (pick(8) == 0) {
        datum.value = ms_null();
    } else if (pick(10) == 0) {
        datum.value = ms_text("not of the schema");
    }
    return datum;
}

static bool same_record(const ms_record *a, const ms_record *b) {
    bool same = ms_eq(a->topic, b->topic) && a->has_partition == b->has_partition && a->partition == b->partition &&
                a->has_timestamp == b->has_timestamp && a->timestamp == b->timestamp && ms_schema_equal(a->key_schema, b->key_schema) &&
                ms_schema_equal(a->value_schema, b->value_schema) && ms_value_equal(&a->key, &b->key) && ms_value_equal(&a->value, &b->value) &&
                a->n_headers == b->n_headers && ms_value_equal(&a->source_partition, &b->source_partition);
    for (size_t i = 0; same && i < a->n_headers; i++) {
        same = ms_eq(a->headers[i].key, b->headers[i].key) && ms_schema_equal(a->headers[i].schema, b->headers[i].schema) &&
               ms_value_equal(&a->headers[i].value, &b->headers[i].value);
    }
    return same;
}

/* Takes records apart where `seed` says so, drops some, fails some, multiplies some. */
static ms_status scramble(ms_call *call, const ms_record *record, ms_collector *out) {
    (void)call;
    ms_record copy = *record;
    if (record->has_partition && record->partition == 1) {
        return MS_OK;
    }
    if (record->has_partition && record->partition == 2) {
        return ms_fail(call, MS_DATA, "the second partition");
    }
    if (record->has_partition && record->partition == 3) {
        copy.value_schema = NULL;
        copy.value = ms_text("changed");
        if (ms_push(call, out, record) != MS_OK) {
            return MS_FAILED;
        }
    }
    return ms_push(call, out, &copy);
}

static const ms_transform scramble_functions = { .expand = scramble };
static const ms_plugin scramble_plugin = { .kind = MS_TRANSFORM, .class_name = "Scramble", .transform = &scramble_functions };

MS_COMPONENT(&scramble_plugin);

static void what_goes_in_comes_out(void) {
    ms_test_begin();
    enum { ROWS = 40 };
    ms_record records[ROWS], expected[ROWS * 2];
    size_t n_expected = 0, n_failed = 0;
    ms_datum shared = datum_of(0);
    bool alike = pick(2) == 0;
    for (int i = 0; i < ROWS; i++) {
        ms_datum datum = alike && pick(3) != 0 ? shared : datum_of(0);
        records[i] = ms_record_new(ms_format(ms_test_arena(), "t%u", pick(3)), ms_null());
        records[i].value = pick(3) == 0 ? value_of(0) : datum.value;
        records[i].value_schema = datum.value.type == records[i].value.type ? datum.schema : NULL;
        if (records[i].value.type == MS_STRUCT && records[i].value_schema == NULL) {
            records[i].value_schema = records[i].value.as.record.schema;
        }
        records[i].key = value_of(3);
        records[i].has_partition = pick(2) == 1;
        records[i].partition = records[i].has_partition ? (int32_t)pick(6) : 0;
        records[i].has_timestamp = pick(2) == 1;
        records[i].timestamp = records[i].has_timestamp ? (int64_t)pick(1000) : 0;
        records[i].source_partition = pick(3) == 0 ? ms_null() : ms_map1(ms_test_arena(), "file", ms_string(word()));
        for (uint32_t header = pick(3); header != 0; header--) {
            ms_datum content = datum_of(2);
            ms_record_add_header(ms_test_arena(), &records[i], (ms_header){ word(), content.schema, content.value });
        }
        if (!records[i].has_partition || (records[i].partition != 1 && records[i].partition != 2)) {
            expected[n_expected++] = records[i];
        }
        n_failed += records[i].has_partition && records[i].partition == 2;
        if (records[i].has_partition && records[i].partition == 3) {
            expected[n_expected] = records[i];
            expected[n_expected].value_schema = NULL;
            expected[n_expected++].value = ms_text("changed");
        }
    }
    const ms_test_link link = { .class_name = "Scramble" };
    ms_test_outcome made = ms_test_transform(&link, 1, NULL, records, ROWS);
    MS_CHECK(made.status == MS_OK && made.n_errors == n_failed);
    MS_CHECK(made.n_records == n_expected);
    for (size_t i = 0; i < n_expected; i++) {
        MS_CHECK(same_record(&made.records[i], &expected[i]));
    }
    ms_test_end();
}

static void refused(ms_value value, const char *words) {
    ms_call *call = ms_test_call();
    ms_collector *collector = ms_collector_new(ms_test_arena());
    ms_record record = ms_record_new(ms_s("t"), value);
    MS_CHECK(ms_push(call, collector, &record) == MS_FAILED && ms_collected(collector) == 0);
    MS_CHECK_TEXT(call->error->message, words);
    MS_CHECK(call->error->kind == MS_DATA);
}

static void what_a_batch_cannot_carry_is_refused(void) {
    ms_test_begin();
    ms_arena *arena = ms_test_arena();
    ms_value *deep = MS_NEW_ARRAY(arena, ms_value, 1100);
    for (int i = 0; i < 1099; i++) {
        deep[i] = ms_list(&deep[i + 1], 1);
    }
    refused(deep[0], "put a value into a batch: the value is nested deeper than 1000 levels");
    refused(ms_string(ms_sn("\xff", 1)), "put a value into a batch: a text is not UTF-8");
    refused(ms_value_of(MS_DECIMAL), "put a value into a batch: a number has no bytes");
    ms_entry entries[40];
    for (int i = 0; i < 40; i++) {
        entries[i].key = ms_string(ms_format(arena, "k%d", i == 39 ? 20 : i));
        entries[i].value = ms_null();
    }
    refused(ms_map(entries, 40), "put a value into a batch: the key 'k20' is in a map twice");
    entries[1].key = entries[0].key;
    refused(ms_map(entries, 2), "put a value into a batch: the key 'k0' is in a map twice");
    ms_test_end();
}

static void a_role_of_a_later_version_is_kept(void) {
    ms_test_begin();
    ms_batch *batch = ms_batch_new(ms_test_arena(), 2), *again;
    const int64_t numbers[] = { 7, 8 };
    ms_column *column = ms_column_integers(ms_test_arena(), MS_COL_INT64, numbers, NULL, 2);
    column->role = 77;
    ms_batch_keep(batch, column);
    ms_bytes bytes = ms_batch_write(batch);
    ms_defer(ms_test_arena(), free, (void *)(uintptr_t)bytes.data);
    MS_CHECK(ms_batch_open(ms_test_call(), bytes, &again) == MS_OK);
    MS_CHECK(again->n_envelope == 1 && again->envelope[0]->role == 77 && ms_column_integer(again->envelope[0], 1) == 8);
    ms_test_end();
}

int main(void) {
    a_role_of_a_later_version_is_kept();
    for (int i = 0; i < 300; i++) {
        what_goes_in_comes_out();
    }
    what_a_batch_cannot_carry_is_refused();
    return 0;
}
