//go:build wasip1

// Package web sends requests through wasi:http: importing it makes it what package http sends with.
package web

import (
	"fmt"
	"strings"

	"millstream.dev/sdk/internal/contract"
	wit "millstream.dev/sdk/internal/wit/types"
	handler "millstream.dev/sdk/internal/wit/wasi_http_outgoing_handler"
	http "millstream.dev/sdk/internal/wit/wasi_http_types"
	streams "millstream.dev/sdk/internal/wit/wasi_io_streams"
)

func init() { contract.StartHTTP = start }

// invalid is a text of ours that says, as those of the host do, what the cause is.
func invalid(format string, values ...any) string {
	return "invalid: " + fmt.Sprintf(format, values...)
}

func start(request *contract.HTTPRequest) (contract.HTTPExchange, string) {
	entries := make([]wit.Tuple2[string, []uint8], len(request.Headers))
	for i, header := range request.Headers {
		entries[i] = wit.Tuple2[string, []uint8]{F0: header.Name, F1: header.Value}
	}
	headers := http.FieldsFromList(entries)
	if headers.IsErr() {
		return nil, invalid("%s %s: a header cannot be sent", request.Method, request.URL)
	}
	outgoing := http.MakeOutgoingRequest(headers.Ok())
	scheme := http.MakeSchemeHttp()
	if request.IsSecure {
		scheme = http.MakeSchemeHttps()
	}
	for _, set := range []struct {
		what   string
		failed bool
	}{
		{"it is no method", outgoing.SetMethod(method(request.Method)).IsErr()},
		{"its scheme is wrong", outgoing.SetScheme(wit.Some(scheme)).IsErr()},
		{"its host is wrong", outgoing.SetAuthority(wit.Some(request.Authority)).IsErr()},
		{"its path or query has characters that have to be encoded", outgoing.SetPathWithQuery(wit.Some(request.Path)).IsErr()},
	} {
		if set.failed {
			outgoing.Drop()
			return nil, invalid("%s %s: %s", request.Method, request.URL, set.what)
		}
	}
	options := wit.None[*http.RequestOptions]()
	if request.TimeoutNanos > 0 {
		made := http.MakeRequestOptions()
		// A host that knows no such limit has one of its own.
		made.SetFirstByteTimeout(wit.Some(request.TimeoutNanos))
		options = wit.Some(made)
	}
	var body *http.OutgoingBody
	if len(request.Body) > 0 {
		taken := outgoing.Body()
		if taken.IsErr() {
			outgoing.Drop()
			return nil, invalid("%s %s: it has two bodies", request.Method, request.URL)
		}
		body = taken.Ok()
	}
	future := handler.Handle(outgoing, options)
	if future.IsErr() {
		if body != nil {
			body.Drop()
		}
		return nil, codeText(future.Err())
	}
	if body != nil {
		// A host that has given the request up takes no more of it; the future says why.
		send(body, request.Body)
	}
	return exchange{future.Ok()}, ""
}

func method(name string) http.Method {
	switch name {
	case "GET":
		return http.MakeMethodGet()
	case "HEAD":
		return http.MakeMethodHead()
	case "POST":
		return http.MakeMethodPost()
	case "PUT":
		return http.MakeMethodPut()
	case "DELETE":
		return http.MakeMethodDelete()
	case "PATCH":
		return http.MakeMethodPatch()
	case "OPTIONS":
		return http.MakeMethodOptions()
	}
	return http.MakeMethodOther(name)
}

func send(body *http.OutgoingBody, bytes []byte) {
	opened := body.Write()
	if opened.IsErr() {
		body.Drop()
		return
	}
	stream := opened.Ok()
	sound := true
	for len(bytes) > 0 && sound {
		room := stream.CheckWrite()
		switch {
		case room.IsErr():
			sound = false
		case room.Ok() == 0:
			pollable := stream.Subscribe()
			pollable.Block()
			pollable.Drop()
		default:
			count := min(room.Ok(), uint64(len(bytes)))
			sound = stream.Write(bytes[:count]).IsOk()
			bytes = bytes[count:]
		}
	}
	sound = sound && stream.Flush().IsOk()
	stream.Drop()
	if sound {
		http.OutgoingBodyFinish(body, wit.None[*http.Fields]())
	} else {
		body.Drop()
	}
}

type exchange struct{ future *http.FutureIncomingResponse }

func (e exchange) Close() { e.future.Drop() }

func (e exchange) Wait() (*contract.HTTPResponse, string) {
	defer e.future.Drop()
	const lost = "cut: the host has lost the answer"
	pollable := e.future.Subscribe()
	pollable.Block()
	pollable.Drop()
	got := e.future.Get()
	if got.Tag() == wit.OptionNone || got.Some().IsErr() {
		return nil, lost
	}
	answered := got.Some().Ok()
	if answered.IsErr() {
		return nil, codeText(answered.Err())
	}
	incoming := answered.Ok()
	defer incoming.Drop()
	response := &contract.HTTPResponse{Status: incoming.Status()}
	headers := incoming.Headers()
	for _, entry := range headers.Entries() {
		response.Headers = append(response.Headers, contract.HTTPHeader{Name: entry.F0, Value: entry.F1})
	}
	headers.Drop()
	body := incoming.Consume()
	if body.IsErr() {
		return nil, lost
	}
	defer body.Ok().Drop()
	opened := body.Ok().Stream()
	if opened.IsErr() {
		return nil, lost
	}
	stream := opened.Ok()
	defer stream.Drop()
	for {
		more := stream.BlockingRead(1 << 20)
		if more.IsOk() {
			response.Body = append(response.Body, more.Ok()...)
			continue
		}
		failed := more.Err()
		if failed.Tag() == streams.StreamErrorClosed {
			return response, ""
		}
		why := failed.LastOperationFailed()
		defer why.Drop()
		if code := http.HttpErrorCode(why); code.Tag() != wit.OptionNone {
			return nil, codeText(code.Some())
		}
		// What breaks off within a body comes as text alone.
		return nil, strings.TrimPrefix(why.ToDebugString(), "internal error: ")
	}
}

func codeText(code http.ErrorCode) string {
	if code.Tag() == http.ErrorCodeInternalError {
		if text := code.InternalError(); text.Tag() != wit.OptionNone {
			return text.Some()
		}
	}
	return fmt.Sprintf("cut: error code %d of wasi:http", code.Tag())
}
