/* The batch format against the host's golden files: what a reader finds in them, and that what is written of it is the same again. */
#include <millstream/test.h>

#include <stdio.h>
#include <stdlib.h>

#include "internal.h"
#include "native/native.h"

static ms_bytes file(const char *name) {
    char path[200];
    snprintf(path, sizeof path, "../../host/record/tests/golden/%s.batch", name);
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        fprintf(stderr, "%s is missing: the test runs within the repository\n", path);
        exit(1);
    }
    char *data = malloc(1 << 16);
    size_t len = fread(data, 1, 1 << 16, stream);
    fclose(stream);
    ms_defer(ms_test_arena(), free, data);
    return ms_sn(data, len);
}

static ms_str show(ms_batch *batch, ms_side side) {
    ms_buf buf = ms_buf_in(ms_test_arena());
    for (uint32_t row = 0; row < ms_batch_rows(batch); row++) {
        ms_datum datum = ms_batch_datum(batch, side, row);
        ms_buf_format(&buf, "%s%s ", datum.schema == NULL ? "" : "*", ms_java_class(&datum.value));
        ms_buf_str(&buf, ms_value_text(ms_test_arena(), &datum.value));
        ms_buf_char(&buf, '\n');
    }
    return ms_buf_done(&buf);
}

static void check_take(ms_batch *batch, const ms_column *column, const ms_schema *schema) {
    uint32_t *rows = MS_NEW_ARRAY(ms_test_arena(), uint32_t, column->rows + 1);
    for (uint32_t i = 0; i < column->rows; i++) {
        rows[i] = column->rows - 1 - i;
    }
    ms_column *taken = ms_column_take(ms_test_arena(), column, rows, column->rows + 1);
    for (uint32_t i = 0; i <= column->rows && column->rows != 0; i++) {
        ms_value found = ms_column_value(batch, taken, i, schema), expected = ms_column_value(batch, column, rows[i], schema);
        MS_CHECK(ms_value_equal(&found, &expected));
    }
}

/* Opens a file, compares its values, builds them anew, and compares again. */
static void check(const char *name, const char *keys, const char *values) {
    ms_test_begin();
    ms_bytes bytes = file(name);
    ms_batch *batch, *again, *built;
    MS_CHECK(ms_test_refuse_batch(ms_test_arena(), bytes) == NULL);
    MS_CHECK(ms_batch_open(ms_test_call(), bytes, &batch) == MS_OK);
    MS_CHECK_TEXT(show(batch, MS_KEY), keys);
    MS_CHECK_TEXT(show(batch, MS_VALUE), values);

    ms_bytes written = ms_batch_write(batch);
    ms_defer(ms_test_arena(), free, (void *)(uintptr_t)written.data);
    MS_CHECK(ms_test_refuse_batch(ms_test_arena(), written) == NULL);
    MS_CHECK(ms_batch_open(ms_test_call(), written, &again) == MS_OK);

    uint32_t rows = ms_batch_rows(batch);
    built = ms_batch_new(ms_test_arena(), rows);
    for (int side = 0; side < 2; side++) {
        ms_datum *data = MS_NEW_ARRAY(ms_test_arena(), ms_datum, rows);
        for (uint32_t row = 0; row < rows; row++) {
            data[row] = ms_batch_datum(again, (ms_side)side, row);
        }
        MS_CHECK(ms_batch_build_side(ms_test_call(), built, (ms_side)side, data) == MS_OK);
    }
    ms_bytes rebuilt = ms_batch_write(built);
    ms_defer(ms_test_arena(), free, (void *)(uintptr_t)rebuilt.data);
    const char *refusal = ms_test_refuse_batch(ms_test_arena(), rebuilt);
    MS_CHECK_TEXT(ms_s(refusal == NULL ? "" : refusal), "");
    MS_CHECK(ms_batch_open(ms_test_call(), rebuilt, &again) == MS_OK);
    for (int side = 0; side < 2; side++) {
        for (uint32_t row = 0; row < rows; row++) {
            ms_datum found = ms_batch_datum(again, (ms_side)side, row), expected = ms_batch_datum(batch, (ms_side)side, row);
            MS_CHECK(ms_value_equal(&found.value, &expected.value));
            MS_CHECK(ms_schema_equal(found.schema, expected.schema));
        }
    }
    /* Rows that are taken, in another order and one of them twice, keep what they hold. */
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < batch->sides[side].n_blocks; i++) {
            check_take(batch, batch->sides[side].blocks[i], ms_batch_schema(batch, batch->sides[side].blocks[i]));
        }
    }
    for (uint32_t i = 0; i < batch->n_envelope; i++) {
        if (batch->envelope[i]->kind != MS_COL_HEADERS) {
            check_take(batch, batch->envelope[i], NULL);
        }
    }
    ms_test_end();
}

static void all_that_a_schema_says_is_read(void) {
    ms_test_begin();
    ms_batch *batch;
    MS_CHECK(ms_batch_open(ms_test_call(), file("schemas"), &batch) == MS_OK);
    const ms_schema *schema = ms_batch_datum(batch, MS_VALUE, 0).schema;
    MS_CHECK_TEXT(schema->name, "org.example.All");
    const ms_schema *text = schema->fields[ms_schema_field(schema, ms_s("string"))].schema;
    MS_CHECK_TEXT(text->name, "org.example.Note");
    MS_CHECK_TEXT(text->doc, "a note");
    MS_CHECK(text->has_version && text->version == 7);
    MS_CHECK_TEXT(text->default_value->as.text, "none");
    MS_CHECK_TEXT(text->parameters[0].value, "piece");
    MS_CHECK(schema->fields[3].schema->optional && !schema->fields[2].schema->optional);
    ms_value part;
    MS_CHECK(ms_batch_field(batch, MS_VALUE, 0, "inner.x", &part) && part.as.integer == 9);
    MS_CHECK(ms_batch_field(batch, MS_VALUE, 0, "map.k", &part) && part.as.integer == 1);
    MS_CHECK(!ms_batch_field(batch, MS_VALUE, 1, "inner.x", &part));
    MS_CHECK(!ms_batch_field(batch, MS_VALUE, 2, "inner.x", &part));
    ms_test_end();
}

int main(void) {
    check("empty", "", "");
    check("lines", "null null\nnull null\nnull null\n", "java.lang.String first\njava.lang.String \njava.lang.String drei: ä漢😀\n");
    check("schemas", "*java.lang.String a\n*null null\nnull null\njava.lang.Long 4\n",
          "*org.apache.kafka.connect.data.Struct Struct{i8=1,i16=-300,i32=70000,i64=1099511627776,f32=1.5,f64=-0.25,bool=true,string=note,"
          "bytes=[B@0,list=[0],map={k=1},inner=Struct{x=9},decimal=3.00,date=Fri Jan 02 00:00:00 UTC 1970,timestamp=Tue Nov 14 22:13:20 UTC 2023}\n"
          "null null\n"
          "*org.apache.kafka.connect.data.Struct Struct{i8=2,i16=-300,i32=70000,f32=1.5,f64=-0.25,bool=false,string=note,"
          "list=[0, 1],map={k=2},decimal=3.00,date=Fri Jan 02 00:00:00 UTC 1970}\n"
          "*java.lang.String other\n");
    check("shredded", "java.lang.String k\njava.lang.String k\njava.lang.String k\njava.lang.String k\n",
          "java.util.HashMap {id=1, name=a, in={deep=5}, tags=[x]}\njava.util.HashMap {id=2, in={deep=6}, tags=[], ok=true}\n"
          "java.util.HashMap {id=null, name=null, in={}, tags=null}\njava.util.HashMap {}\n");
    check("variants",
          "null null\nnull null\nnull null\nnull null\nnull null\nnull null\nnull null\nnull null\nnull null\n"
          "null null\nnull null\nnull null\nnull null\nnull null\nnull null\nnull null\nnull null\nnull null\n",
          "java.lang.Boolean true\njava.lang.Boolean false\njava.lang.Byte -1\njava.lang.Short 2\njava.lang.Integer -3\njava.lang.Long 4\n"
          "java.lang.Float 0.5\njava.lang.Double 1.0E300\njava.lang.String text\n[B [B@0\njava.math.BigDecimal -1E+1\n"
          "java.math.BigInteger 18446744073709551616\njava.util.Date Wed Dec 31 23:59:59 UTC 1969\njava.util.ArrayList [null, 1]\n"
          "java.util.HashMap {1=one, null=none}\njava.util.HashMap {a=1, b={a=null}}\njava.util.ArrayList [Struct{n=7}]\nnull null\n");
    check("envelope", "java.lang.String k\njava.lang.String k\njava.lang.String k\njava.lang.String k\n",
          "java.lang.Integer 0\njava.lang.Integer 1\njava.lang.Integer 2\njava.lang.Integer 3\n");
    all_that_a_schema_says_is_read();
    return 0;
}
MS_COMPONENT(NULL);
