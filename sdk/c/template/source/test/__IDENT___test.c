#include <millstream/test.h>

/* Ticks go on after a restart. */
int main(void) {
    ms_test_begin();
    ms_test_store_offset("{\"clock\":\"main\"}", "{\"tick\":41}");
    ms_test_plugin *task = ms_test_task(MS_SOURCE, "__CLASS__", MS_SETTINGS("topic", "ticks", "every.ms", "250"), NULL);
    ms_test_outcome polled = ms_test_poll(task, (ms_poll_limits){ 10, 1000, 5000 });
    MS_CHECK(polled.status == MS_OK && polled.n_records == 1);
    MS_CHECK(polled.records[0].value.as.integer == 42);
    MS_CHECK_TEXT(ms_test_heard(), "log INFO ticking from 42 on\nwait 250\n");
    ms_test_end();
    return 0;
}
