/* Dates in the worker's time zone, against what a JVM in that zone has written. */
#include <millstream/test.h>

#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

static ms_str date(int64_t ms) {
    ms_value value = ms_instant(ms);
    return ms_value_text(ms_test_arena(), &value);
}

/* Lines `ZONE=DESCRIPTION` and `ZONE|MS|DATE|HEADER`. */
static void dates_are_written_as_a_jvm_in_their_zone_writes_them(void) {
    const char *path = "../../host/values/testdata/java-zones.txt";
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        fprintf(stderr, "%s is missing: the test runs within the repository\n", path);
        exit(1);
    }
    char *text = malloc(1 << 20);
    size_t len = fread(text, 1, (1 << 20) - 1, stream);
    fclose(stream);
    text[len] = '\0';
    int checked = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *equals = strchr(line, '='), *bar = strchr(line, '|');
        if (bar == NULL || (equals != NULL && equals < bar)) {
            if (equals != NULL && strncmp(equals + 1, "tzif:", 5) == 0) {
                *equals = '\0';
                ms_test_keep(line, ms_s(equals + 1));
            }
            continue;
        }
        *bar = '\0';
        char *shown = strchr(bar + 1, '|') + 1, *end = strchr(shown, '|');
        *end = '\0';
        ms_bytes description = ms_test_kept(line);
        MS_CHECK(description.data != NULL && ms_zone_describe(ms_test_arena(), description));
        MS_CHECK_TEXT(date(strtoll(bar + 1, NULL, 10)), shown);
        checked++;
    }
    free(text);
    MS_CHECK(100 < checked);
}

static void described(const char *text, const char *expected) {
    MS_CHECK(ms_zone_describe(ms_test_arena(), ms_s(text)));
    MS_CHECK_TEXT(date(INT64_C(1719831845006)), ms_cstr(ms_test_arena(), ms_format(ms_test_arena(), "Mon Jul 01 %s 2024", expected)));
}

int main(void) {
    ms_test_begin();
    dates_are_written_as_a_jvm_in_their_zone_writes_them();
    described("GMT", "11:04:05 GMT");
    described("GMT0", "11:04:05 GMT");
    described("GMT+5:30", "16:34:05 GMT+05:30");
    described("GMT-0130", "09:34:05 GMT-01:30");
    described("GMT+05", "16:04:05 GMT+05:00");
    described("UTC+3", "08:04:05 GMT-03:00");
    described("<+03>-3", "14:04:05 GMT+03:00");
    described("CET-1CEST,M3.5.0,M10.5.0/3", "13:04:05 CEST");
    MS_CHECK_TEXT(date(0), "Thu Jan 01 01:00:00 CET 1970");
    const char *const wrong[] = { "", "Nowhere/Land", "GMT+1:60", "GMT+é", "tzif:%", "tzif:AAAA" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        MS_CHECK(!ms_zone_describe(ms_test_arena(), ms_s(wrong[i])));
    }
    MS_CHECK_TEXT(date(0), "Thu Jan 01 00:00:00 UTC 1970");
    ms_zone_set(NULL);
    ms_test_end();
    return 0;
}

MS_COMPONENT(NULL);
