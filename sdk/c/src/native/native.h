/* What the parts of the harness know of each other. */
#ifndef MS_NATIVE_H
#define MS_NATIVE_H

#include "../../include/millstream/test.h"
#include "../component.h"

#define MS_TEST_ANSWERS 1024

/* A key with a value: a file, an offset, something kept. */
typedef struct ms_test_entry {
    struct ms_test_entry *next;
    ms_str key;
    ms_bytes value;
} ms_test_entry;

typedef struct ms_test_state {
    ms_arena *arena;
    ms_call call;
    ms_buf heard;
    ms_test_entry *files, *offsets, *kept;
    bool stopping, ends_transactions, own_lease;
    uint64_t epoch;
    const char *refusal;
    ms_topic_partition *assignment;
    size_t n_assignment;
    ms_test_server server;
    ms_http_response answers[MS_TEST_ANSWERS];
    int32_t n_answers;
    ms_instance **plugins;
    size_t n_plugins, plugins_room;
} ms_test_state;

/* Between ms_test_begin and ms_test_end. */
extern ms_test_state *ms_test_host;

void ms_test_hear(const char *format, ...) MS_PRINTF(1, 2);
ms_test_entry *ms_test_find(ms_test_entry *entries, ms_str key);
ms_test_entry *ms_test_put_entry(ms_test_entry **entries, ms_str key, ms_bytes value);
/* What the host would refuse in the bytes of a batch; NULL for nothing. */
const char *ms_test_refuse_batch(ms_arena *arena, ms_bytes bytes);

#endif
