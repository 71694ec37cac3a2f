// The headers from C++: a plugin and its test.
#include <millstream/test.h>

struct config {
    ms_str topic;
    int32_t count;
};

static const ms_key keys[] = {
    MS_KEY(STRING, "topic", config, topic, .required = true, .rule = MS_NON_EMPTY),
    MS_KEY(INT, "count", config, count, .default_value = "2", .rule = MS_RANGE(1, 5)),
    MS_KEYS_END,
};

struct task {
    int64_t next;
};

static ms_status poll(ms_call *call, const ms_poll_limits *, ms_collector *out) {
    auto *state = static_cast<task *>(call->state);
    auto *values = static_cast<const config *>(call->config->values);
    for (int32_t i = 0; i < values->count; i++) {
        ms_record record = ms_record_new(values->topic, ms_int64(state->next++));
        if (ms_push(call, out, &record) != MS_OK) {
            return MS_FAILED;
        }
    }
    return MS_OK;
}

static const ms_source functions = { .poll = poll };

static const ms_plugin plugin = {
    .kind = MS_SOURCE,
    .class_name = "org.example.Cpp",
    .version = "0.1.0",
    .keys = keys,
    .config_size = sizeof(config),
    .state_size = sizeof(task),
    .source = &functions,
};

MS_COMPONENT(&plugin);

int main() {
    ms_test_begin();
    const char *const settings[] = { "topic", "t", nullptr };
    ms_test_plugin *source = ms_test_task(MS_SOURCE, "org.example.Cpp", settings, nullptr);
    ms_test_outcome polled = ms_test_poll(source, ms_poll_limits{ 10, 1000, 10 });
    MS_CHECK(polled.n_records == 2 && polled.records[1].value.as.integer == 1);
    ms_test_end();
    return 0;
}
