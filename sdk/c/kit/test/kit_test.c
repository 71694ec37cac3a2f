/* What the scenarios do with the component, natively and in small, where sanitizers look at it. */
#include <millstream/test.h>

#include "../src/kit.h"

static const ms_poll_limits limits = { 1000, 1 << 20, 1000 };

static void records_of_every_type_come_out_of_a_transform_as_they_went_in(void) {
    ms_test_begin();
    ms_test_plugin *source = ms_test_task(MS_SOURCE, "org.millstream.kit.KitSourceConnector", MS_SETTINGS("topic", "t", "mode", "types"), NULL);
    ms_test_outcome polled = ms_test_poll(source, limits);
    MS_CHECK(polled.status == MS_OK && polled.n_records == 7);
    const ms_test_link links[] = {
        { .class_name = "org.millstream.kit.Echo" },
        { .class_name = "org.millstream.kit.Count", .predicate = "org.millstream.kit.HasText", .predicate_settings = MS_SETTINGS("text", "x"), .negate = true },
    };
    ms_test_outcome made = ms_test_transform(links, 2, NULL, polled.records, polled.n_records);
    MS_CHECK(made.status == MS_OK && made.n_records == 7);
    for (size_t i = 0; i < 7; i++) {
        MS_CHECK(ms_value_equal(&made.records[i].value, &polled.records[i].value) && ms_value_equal(&made.records[i].key, &polled.records[i].key));
        MS_CHECK(ms_schema_equal(made.records[i].value_schema, polled.records[i].value_schema));
        MS_CHECK(made.records[i].n_headers == polled.records[i].n_headers + 1);
    }
    MS_CHECK_TEXT(kit_show(ms_test_arena(), &made.records[5].value), "[123456789012345678901234567890, dec(1.20), at(1700000000123), 0x]");
    ms_test_end();
}

static void a_sink_writes_what_is_fit_and_reports_the_rest(void) {
    ms_test_begin();
    ms_test_plugin *sink = ms_test_task(MS_SINK, "org.millstream.kit.KitSinkConnector",
                                        MS_SETTINGS("file", "f", "do", "put#2: fail retriable; pre-commit: offsets t 0 1"), NULL);
    ms_record records[] = { ms_record_new(ms_s("t"), ms_text("a")), ms_record_new(ms_s("t"), ms_text("bad luck")) };
    for (int i = 0; i < 2; i++) {
        records[i].has_offset = true;
        records[i].offset = i;
    }
    MS_CHECK(ms_test_put(sink, records, 2).status == MS_OK);
    MS_CHECK_TEXT(ms_test_file_content("file"), "t-0@0 null \"a\"\n");
    ms_test_outcome second = ms_test_put(sink, records, 2);
    MS_CHECK(second.status == MS_FAILED && second.error.kind == MS_RETRIABLE);
    MS_CHECK_TEXT(second.error.message, "failed on purpose in put");
    MS_CHECK(ms_test_flush(sink).status == MS_OK && ms_test_stop(sink).status == MS_OK);
    MS_CHECK_TEXT(ms_test_heard(), "log INFO start\nlog INFO put 2\nreport 1 luck\nlog INFO put 2\nlog INFO pre-commit\nlog INFO stop\n");
    ms_test_end();
}

static void lines_are_read_where_they_were_left(void) {
    ms_test_begin();
    ms_test_file("file", ms_s("one\ntwo\nthr"));
    ms_test_store_offset("{\"file\":\"in.txt\"}", "{\"position\":4}");
    ms_test_plugin *source =
        ms_test_task(MS_SOURCE, "org.millstream.kit.KitSourceConnector", MS_SETTINGS("topic", "t", "mode", "lines", "file", "in.txt"), NULL);
    ms_test_outcome polled = ms_test_poll(source, limits);
    MS_CHECK(polled.n_records == 1);
    MS_CHECK_TEXT(polled.records[0].value.as.text, "two");
    MS_CHECK_TEXT(kit_show(ms_test_arena(), &polled.records[0].source_offset), "{\"position\": 8}");
    MS_CHECK(ms_test_poll(source, limits).n_records == 0);
    ms_test_end();
}

static void a_lease_is_lost_to_another_task(void) {
    ms_test_begin();
    ms_test_keep("old", ms_s("v"));
    ms_test_plugin *source = ms_test_task(MS_SOURCE, "org.millstream.kit.KitSourceConnector",
                                          MS_SETTINGS("topic", "t", "do", "start: lease obtain; start: lease write new w; start: lease write old -; "
                                                                          "start: lease keys; poll: lease write new x"),
                                          NULL);
    MS_CHECK_TEXT(ms_test_kept("new"), "w");
    ms_test_take_lease();
    ms_test_outcome polled = ms_test_poll(source, limits);
    MS_CHECK(polled.status == MS_FAILED && ms_is_lease_lost(&polled.error));
    MS_CHECK(0 <= ms_find(ms_test_heard(), ms_s("log INFO lease keys new\n")));
    ms_test_end();
}

static const char *answer(const ms_http_request *request, ms_http_response *response) {
    response->status = 200;
    response->body = request->url;
    return ms_find(request->url, ms_s("nobody")) < 0 ? NULL : "timeout: nobody answers";
}

static void requests_are_answered_or_say_why_not(void) {
    ms_test_begin();
    ms_test_serve(answer);
    ms_test_plugin *source = ms_test_task(MS_SOURCE, "org.millstream.kit.KitSourceConnector",
                                          MS_SETTINGS("topic", "t", "url", "http://h/x", "do", "poll: http"), NULL);
    MS_CHECK(ms_test_poll(source, limits).status == MS_OK);
    MS_CHECK(0 <= ms_find(ms_test_heard(), ms_s("log INFO http 200 \"http://h/x\"\n")));
    source = ms_test_task(MS_SOURCE, "org.millstream.kit.KitSourceConnector", MS_SETTINGS("topic", "t", "url", "http://nobody/", "do", "poll: http"), NULL);
    ms_test_outcome polled = ms_test_poll(source, limits);
    MS_CHECK(polled.status == MS_FAILED && polled.error.n_causes == 1);
    MS_CHECK_TEXT(polled.error.causes[0], "nobody answers");
    ms_test_end();
}

static void a_connector_says_what_is_wrong_and_divides_its_work(void) {
    ms_test_begin();
    ms_str json;
    MS_CHECK(ms_test_validate(MS_SOURCE, "org.millstream.kit.KitSourceConnector", MS_SETTINGS("topic", "t", "even", "3", "low", "11"), &json).status == MS_OK);
    MS_CHECK_TEXT(json, "[{\"name\":\"even\",\"errors\":[\"Invalid value 3 for configuration even: expected an even number\"]},"
                        "{\"name\":\"low\",\"errors\":[\"low is above high\"]}]");
    const ms_str *shown;
    ms_test_outcome configs = ms_test_task_configs(MS_SOURCE, "org.millstream.kit.KitSourceConnector", MS_SETTINGS("topic", "t", "tasks", "2"), 5, &shown);
    MS_CHECK(configs.n_records == 2);
    MS_CHECK_TEXT(shown[1], "topic=t,tasks=2,task=1");
    MS_CHECK(0 <= ms_find(ms_test_describe(), ms_s("\"kind\":\"header_converter\",\"class\":\"org.millstream.kit.KitHeaderConverter\"")));
    ms_test_end();
}

int main(void) {
    records_of_every_type_come_out_of_a_transform_as_they_went_in();
    a_sink_writes_what_is_fit_and_reports_the_rest();
    lines_are_read_where_they_were_left();
    a_lease_is_lost_to_another_task();
    requests_are_answered_or_say_why_not();
    a_connector_says_what_is_wrong_and_divides_its_work();
    return 0;
}
