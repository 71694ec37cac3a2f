/* HTTP: URLs, and what hosts say about requests without an answer. */
#include "component.h"

static const struct {
    const char *word;
    ms_http_cause cause;
} CAUSES[] = {
    { "denied", MS_HTTP_DENIED }, { "config", MS_HTTP_CONFIG },       { "dns", MS_HTTP_DNS },   { "connect", MS_HTTP_CONNECT },
    { "proxy", MS_HTTP_PROXY },   { "tls", MS_HTTP_TLS },             { "auth", MS_HTTP_AUTH }, { "timeout", MS_HTTP_TIMEOUT },
    { "cut", MS_HTTP_CUT },       { "too-large", MS_HTTP_TOO_LARGE }, { "busy", MS_HTTP_BUSY }, { "stopping", MS_HTTP_STOPPING },
};

void ms_http_of_host(ms_arena *arena, ms_http_pending *pending, ms_str text) {
    ptrdiff_t colon = ms_find(text, ms_s(": "));
    pending->cause = MS_HTTP_CUT;
    pending->problem = ms_dup(arena, text);
    for (size_t i = 0; 0 < colon && i < sizeof CAUSES / sizeof *CAUSES; i++) {
        if (ms_is(ms_sn(text.data, (size_t)colon), CAUSES[i].word)) {
            pending->cause = CAUSES[i].cause;
            pending->problem = ms_dup(arena, ms_sn(text.data + colon + 2, text.len - (size_t)colon - 2));
        }
    }
}

/* Takes a URL apart; false if it is none of HTTP. */
static bool parts(ms_arena *arena, ms_str url, bool *is_secure, ms_str *authority, ms_str *path) {
    ptrdiff_t scheme = ms_find(url, ms_s("://"));
    if (scheme < 0) {
        return false;
    }
    ms_str name = ms_lower(arena, ms_sn(url.data, (size_t)scheme));
    *is_secure = ms_is(name, "https");
    if (!*is_secure && !ms_is(name, "http")) {
        return false;
    }
    ms_str rest = ms_sn(url.data + scheme + 3, url.len - (size_t)scheme - 3);
    const char *fragment = rest.len == 0 ? NULL : memchr(rest.data, '#', rest.len);
    if (fragment != NULL) {
        rest.len = (size_t)(fragment - rest.data);
    }
    size_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?') {
        end++;
    }
    *authority = ms_sn(rest.data, end);
    ms_str behind = ms_sn(rest.data + end, rest.len - end);
    *path = behind.len != 0 && behind.data[0] == '/' ? behind : ms_format(arena, "/%.*s", MS_ARG(behind));
    return true;
}

ms_http_pending *ms_http_start(ms_call *call, const ms_http_request *request) {
    ms_http_pending *pending = MS_NEW(call->arena, ms_http_pending);
    bool is_secure;
    ms_str authority, path;
    if (!parts(call->arena, request->url, &is_secure, &authority, &path)) {
        pending->cause = MS_HTTP_INVALID;
        pending->problem = ms_format(call->arena, "%s %.*s: it is no URL of HTTP", request->method, MS_ARG(request->url));
        return pending;
    }
    msh_http_start(call, request, is_secure, authority, path, pending);
    return pending;
}

ms_status ms_http_wait(ms_call *call, ms_http_pending *pending, ms_http_response *response) {
    memset(response, 0, sizeof *response);
    if (pending->cause == MS_HTTP_NONE && !pending->open) {
        return ms_fail(call, MS_FATAL, "a request's answer was waited for twice");
    }
    if (pending->cause == MS_HTTP_NONE && msh_http_wait(call, pending, response)) {
        return MS_OK;
    }
    ms_http_cause cause = pending->cause;
    ms_error_kind kind = cause == MS_HTTP_CONFIG || cause == MS_HTTP_DENIED                              ? MS_CONFIG
                         : cause == MS_HTTP_AUTH || cause == MS_HTTP_TOO_LARGE || cause == MS_HTTP_INVALID ? MS_FATAL
                                                                                                         : MS_RETRIABLE;
    return ms_fail(call, kind, "%.*s", MS_ARG(pending->problem));
}

ms_status ms_http_send(ms_call *call, const ms_http_request *request, ms_http_response *response) {
    return ms_http_wait(call, ms_http_start(call, request), response);
}

ms_http_cause ms_http_cause_of(const ms_http_pending *pending) { return pending->cause; }

ms_bytes ms_http_header_of(const ms_http_response *response, const char *name) {
    for (size_t i = 0; i < response->n_headers; i++) {
        ms_str known = response->headers[i].name;
        bool same = known.len == strlen(name);
        for (size_t at = 0; same && at < known.len; at++) {
            char a = known.data[at], b = name[at];
            same = ('A' <= a && a <= 'Z' ? a + 32 : a) == ('A' <= b && b <= 'Z' ? b + 32 : b);
        }
        if (same) {
            return response->headers[i].value;
        }
    }
    return ms_none();
}

ms_str ms_url_encode(ms_arena *arena, ms_str text) {
    ms_buf buf = ms_buf_in(arena);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool plain = ('A' <= byte && byte <= 'Z') || ('a' <= byte && byte <= 'z') || ('0' <= byte && byte <= '9') ||
                     (byte != '\0' && strchr("-._~", byte) != NULL);
        if (plain) {
            ms_buf_char(&buf, (char)byte);
        } else {
            ms_buf_format(&buf, "%%%02X", byte);
        }
    }
    return ms_buf_done(&buf);
}
