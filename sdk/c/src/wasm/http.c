/* Requests as a component sends them: through wasi:http. */
#include "lower.h"

#define HTTP(name) wasi_http_types_##name

/* Bytes that are read at a time. */
#define READ (1u << 20)

static void invalid(ms_call *call, const ms_http_request *request, ms_http_pending *pending, const char *what) {
    pending->cause = MS_HTTP_INVALID;
    pending->problem = ms_format(call->arena, "%s %.*s: %s", request->method, MS_ARG(request->url), what);
}

/* What a host says about a request without an answer; frees the code. */
static void of_code(ms_call *call, ms_http_pending *pending, HTTP(error_code_t) * code) {
    if (code->tag == WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR && code->val.internal_error.is_some) {
        ms_http_of_host(call->arena, pending, ms_lent_text(&code->val.internal_error.val));
    } else {
        pending->cause = MS_HTTP_CUT;
        pending->problem = ms_format(call->arena, "the host gave the request up, with code %u of wasi:http", code->tag);
    }
    HTTP(error_code_free)(code);
}

static HTTP(method_t) method_of(const char *name) {
    static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH" };
    HTTP(method_t) method;
    memset(&method, 0, sizeof method);
    for (uint8_t i = 0; i < 9; i++) {
        if (strcmp(known[i], name) == 0) {
            method.tag = i;
            return method;
        }
    }
    method.tag = 9;
    method.val.other = ms_lend(ms_s(name));
    return method;
}

/* Hands the body over as the host takes it; false if it takes no more, of which the answer then says why. */
static bool write_all(wasi_io_streams_borrow_output_stream_t stream, ms_bytes body) {
    wasi_io_streams_stream_error_t error;
    while (body.len != 0) {
        uint64_t room;
        if (!wasi_io_streams_method_output_stream_check_write(stream, &room, &error)) {
            wasi_io_streams_stream_error_free(&error);
            return false;
        }
        if (room == 0) {
            wasi_io_poll_own_pollable_t ready = wasi_io_streams_method_output_stream_subscribe(stream);
            wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
            wasi_io_poll_pollable_drop_own(ready);
            continue;
        }
        size_t len = room < body.len ? (size_t)room : body.len;
        c_plugin_list_u8_t part = ms_lend_bytes(ms_sn(body.data, len));
        if (!wasi_io_streams_method_output_stream_write(stream, &part, &error)) {
            wasi_io_streams_stream_error_free(&error);
            return false;
        }
        body = ms_sn(body.data + len, body.len - len);
    }
    if (!wasi_io_streams_method_output_stream_flush(stream, &error)) {
        wasi_io_streams_stream_error_free(&error);
        return false;
    }
    return true;
}

static void give_up(void *object) {
    ms_http_pending *pending = object;
    if (pending->open) {
        pending->open = false;
        HTTP(future_incoming_response_drop_own)((HTTP(own_future_incoming_response_t)){ pending->handle });
    }
}

/* Everything but the body; false and words if the request is none. */
static bool prepare(ms_call *call, const ms_http_request *request, bool is_secure, ms_str authority, ms_str path, ms_http_pending *pending,
                    HTTP(own_outgoing_request_t) * made) {
    c_plugin_list_tuple2_string_list_u8_t list = { MS_NEW_ARRAY(call->arena, c_plugin_tuple2_string_list_u8_t, request->n_headers),
                                                   request->n_headers };
    for (size_t i = 0; i < request->n_headers; i++) {
        list.ptr[i].f0 = ms_lend(request->headers[i].name);
        list.ptr[i].f1 = ms_lend_bytes(request->headers[i].value);
    }
    HTTP(own_fields_t) fields;
    HTTP(header_error_t) wrong;
    if (!HTTP(static_fields_from_list)(&list, &fields, &wrong)) {
        invalid(call, request, pending, "a header is wrong");
        return false;
    }
    *made = HTTP(constructor_outgoing_request)(fields);
    HTTP(borrow_outgoing_request_t) outgoing = HTTP(borrow_outgoing_request)(*made);
    HTTP(method_t) method = method_of(request->method);
    HTTP(scheme_t) scheme;
    memset(&scheme, 0, sizeof scheme);
    scheme.tag = is_secure ? 1 : 0;
    c_plugin_string_t host = ms_lend(authority), rest = ms_lend(path);
    const char *what = !HTTP(method_outgoing_request_set_method)(outgoing, &method)                ? "it is no method"
                       : !HTTP(method_outgoing_request_set_scheme)(outgoing, &scheme)              ? "its scheme is wrong"
                       : !HTTP(method_outgoing_request_set_authority)(outgoing, &host)             ? "its host is wrong"
                       : !HTTP(method_outgoing_request_set_path_with_query)(outgoing, &rest) ? "its path or query has characters that have to be encoded"
                                                                                                   : NULL;
    if (what != NULL) {
        HTTP(outgoing_request_drop_own)(*made);
        invalid(call, request, pending, what);
        return false;
    }
    return true;
}

void msh_http_start(ms_call *call, const ms_http_request *request, bool is_secure, ms_str authority, ms_str path, ms_http_pending *pending) {
    HTTP(own_outgoing_request_t) outgoing;
    HTTP(own_outgoing_body_t) body;
    HTTP(own_output_stream_t) stream;
    if (!prepare(call, request, is_secure, authority, path, pending, &outgoing)) {
        return;
    }
    bool has_body = request->body.len != 0;
    if (has_body && (!HTTP(method_outgoing_request_body)(HTTP(borrow_outgoing_request)(outgoing), &body) ||
                     !HTTP(method_outgoing_body_write)(HTTP(borrow_outgoing_body)(body), &stream))) {
        HTTP(outgoing_request_drop_own)(outgoing);
        invalid(call, request, pending, "its body is written twice");
        return;
    }
    HTTP(own_request_options_t) options;
    if (request->timeout_ms != 0) {
        uint64_t nanoseconds = (uint64_t)request->timeout_ms * 1000000u;
        options = HTTP(constructor_request_options)();
        /* A host that knows no such limit has one of its own. */
        (void)HTTP(method_request_options_set_first_byte_timeout)(HTTP(borrow_request_options)(options), &nanoseconds);
    }
    HTTP(own_future_incoming_response_t) future;
    HTTP(error_code_t) code;
    if (!wasi_http_outgoing_handler_handle(outgoing, request->timeout_ms != 0 ? &options : NULL, &future, &code)) {
        if (has_body) {
            wasi_io_streams_output_stream_drop_own(stream);
            HTTP(outgoing_body_drop_own)(body);
        }
        of_code(call, pending, &code);
        return;
    }
    if (has_body) {
        bool written = write_all(wasi_io_streams_borrow_output_stream(stream), request->body);
        wasi_io_streams_output_stream_drop_own(stream);
        if (!written) {
            HTTP(outgoing_body_drop_own)(body);
        } else if (!HTTP(static_outgoing_body_finish)(body, NULL, &code)) {
            /* The answer says why, too. */
            HTTP(error_code_free)(&code);
        }
    }
    pending->handle = future.__handle;
    pending->open = true;
    ms_defer(call->arena, give_up, pending);
}

/* The body to its end; false and words where it breaks off. */
static bool read_all(ms_call *call, wasi_io_streams_borrow_input_stream_t stream, ms_bytes *body, ms_http_pending *pending) {
    ms_buf buf = ms_buf_in(call->arena);
    for (;;) {
        c_plugin_list_u8_t part;
        wasi_io_streams_stream_error_t error;
        if (wasi_io_streams_method_input_stream_blocking_read(stream, READ, &part, &error)) {
            ms_buf_add(&buf, part.ptr, part.len);
            if (part.len != 0) {
                free(part.ptr);
            }
            continue;
        }
        if (error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) {
            *body = ms_buf_done(&buf);
            return true;
        }
        HTTP(error_code_t) code;
        wasi_io_error_borrow_error_t last = wasi_io_error_borrow_error(error.val.last_operation_failed);
        if (HTTP(http_error_code)(last, &code)) {
            of_code(call, pending, &code);
        } else {
            /* What breaks off within a body comes as text alone. */
            c_plugin_string_t text;
            wasi_io_error_method_error_to_debug_string(last, &text);
            ms_str words = ms_take_string(call->arena, &text), prefix = ms_s("internal error: ");
            if (prefix.len <= words.len && memcmp(words.data, prefix.data, prefix.len) == 0) {
                words = ms_sn(words.data + prefix.len, words.len - prefix.len);
            }
            ms_http_of_host(call->arena, pending, words);
        }
        wasi_io_streams_stream_error_free(&error);
        return false;
    }
}

static bool lost(ms_http_pending *pending) {
    pending->cause = MS_HTTP_CUT;
    pending->problem = ms_s("the host has lost the answer");
    return false;
}

bool msh_http_wait(ms_call *call, ms_http_pending *pending, ms_http_response *response) {
    HTTP(borrow_future_incoming_response_t) future = { pending->handle };
    HTTP(own_pollable_t) ready = HTTP(method_future_incoming_response_subscribe)(future);
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
    wasi_io_poll_pollable_drop_own(ready);
    HTTP(result_result_own_incoming_response_error_code_void_t) result;
    bool known = HTTP(method_future_incoming_response_get)(future, &result);
    give_up(pending);
    if (!known || result.is_err) {
        return lost(pending);
    }
    if (result.val.ok.is_err) {
        of_code(call, pending, &result.val.ok.val.err);
        return false;
    }
    HTTP(own_incoming_response_t) incoming = result.val.ok.val.ok;
    HTTP(borrow_incoming_response_t) borrowed = HTTP(borrow_incoming_response)(incoming);
    response->status = HTTP(method_incoming_response_status)(borrowed);
    HTTP(own_fields_t) fields = HTTP(method_incoming_response_headers)(borrowed);
    c_plugin_list_tuple2_string_list_u8_t entries;
    HTTP(method_fields_entries)(HTTP(borrow_fields)(fields), &entries);
    HTTP(fields_drop_own)(fields);
    ms_http_header *headers = MS_NEW_ARRAY(call->arena, ms_http_header, entries.len);
    for (size_t i = 0; i < entries.len; i++) {
        headers[i].name = ms_lower(call->arena, ms_lent_text(&entries.ptr[i].f0));
        headers[i].value = ms_dup(call->arena, ms_sn(entries.ptr[i].f1.len == 0 ? (const void *)"" : entries.ptr[i].f1.ptr, entries.ptr[i].f1.len));
    }
    response->headers = headers;
    response->n_headers = entries.len;
    c_plugin_list_tuple2_string_list_u8_free(&entries);
    HTTP(own_incoming_body_t) body;
    HTTP(own_input_stream_t) stream;
    bool ok = HTTP(method_incoming_response_consume)(borrowed, &body);
    if (!ok) {
        HTTP(incoming_response_drop_own)(incoming);
        return lost(pending);
    }
    ok = HTTP(method_incoming_body_stream)(HTTP(borrow_incoming_body)(body), &stream);
    if (ok) {
        ok = read_all(call, wasi_io_streams_borrow_input_stream(stream), &response->body, pending);
        wasi_io_streams_input_stream_drop_own(stream);
    } else {
        lost(pending);
    }
    HTTP(incoming_body_drop_own)(body);
    HTTP(incoming_response_drop_own)(incoming);
    return ok;
}
