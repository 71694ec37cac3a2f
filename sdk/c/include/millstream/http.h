/* HTTP requests to servers that keys open (`.opens = { MS_OPENS_HTTP_URL, … }`). Who sends them, the host adds: passwords,
 * tokens and certificates never reach the plugin. */
#ifndef MILLSTREAM_HTTP_H
#define MILLSTREAM_HTTP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ms_http_header {
    ms_str name;
    ms_bytes value;
} ms_http_header;

typedef struct ms_http_request {
    /* "GET", "POST", … */
    const char *method;
    /* Begins with http:// or https://; what may not stand in a URL is to be encoded (ms_url_encode). */
    ms_str url;
    const ms_http_header *headers;
    size_t n_headers;
    /* Absent or empty for none. */
    ms_bytes body;
    /* The request is given up if its answer has not begun by then; 0 leaves it to the configuration. */
    uint32_t timeout_ms;
} ms_http_request;

/* An answer, read to its end, in the call's arena. */
typedef struct ms_http_response {
    uint16_t status;
    /* Names in lower case. */
    const ms_http_header *headers;
    size_t n_headers;
    ms_bytes body;
} ms_http_response;

/* Why there was no answer. */
typedef enum ms_http_cause {
    MS_HTTP_NONE = 0,
    MS_HTTP_DENIED,
    MS_HTTP_CONFIG,
    MS_HTTP_DNS,
    MS_HTTP_CONNECT,
    MS_HTTP_PROXY,
    MS_HTTP_TLS,
    MS_HTTP_AUTH,
    MS_HTTP_TIMEOUT,
    MS_HTTP_CUT,
    MS_HTTP_TOO_LARGE,
    MS_HTTP_BUSY,
    MS_HTTP_STOPPING,
    MS_HTTP_INVALID
} ms_http_cause;

/* A request under way. */
typedef struct ms_http_pending ms_http_pending;

/* Sends a request; the answer comes while the plugin does other things. It is given up with the call if nobody waits for it. */
ms_http_pending *ms_http_start(ms_call *call, const ms_http_request *request);
/* Waits for the whole answer. Fails if there is none, whatever its status: retriable if the same may succeed later. */
ms_status ms_http_wait(ms_call *call, ms_http_pending *pending, ms_http_response *response);
/* Both at once. */
ms_status ms_http_send(ms_call *call, const ms_http_request *request, ms_http_response *response);
/* Why ms_http_wait has failed. */
ms_http_cause ms_http_cause_of(const ms_http_pending *pending);
/* The first header of this name, in any case; absent for none. */
ms_bytes ms_http_header_of(const ms_http_response *response, const char *name);
/* A text as a part of a path or query: what may not stand there becomes `%XX`. */
ms_str ms_url_encode(ms_arena *arena, ms_str text);

#ifdef __cplusplus
}
#endif

#endif
