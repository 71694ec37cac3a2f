// Package nethttp lets a client of Go's own net/http send its requests through the host:
//
//	client := &http.Client{Transport: nethttp.Transport{}}
//
// What a configuration key opens, and who sends the requests, is as in package millstream.dev/sdk/http. Bodies are read to
// their ends before a request is sent, and before its answer is returned.
package nethttp

import (
	"bytes"
	"io"
	"net/http"
	"time"

	sdkhttp "millstream.dev/sdk/http"
)

// Transport is an http.RoundTripper.
type Transport struct{}

// RoundTrip sends a request and waits for the whole answer.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	made := sdkhttp.New(request.Method, request.URL.String())
	for name, values := range request.Header {
		for _, value := range values {
			made.With(name, value)
		}
	}
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		request.Body.Close()
		if err != nil {
			return nil, err
		}
		made.Body = body
	}
	if deadline, ok := request.Context().Deadline(); ok {
		if made.Timeout = time.Until(deadline); made.Timeout <= 0 {
			return nil, request.Context().Err()
		}
	}
	answer, err := made.Send()
	if err != nil {
		return nil, err
	}
	response := &http.Response{
		Status: http.StatusText(answer.Status), StatusCode: answer.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(answer.Body)), ContentLength: int64(len(answer.Body)),
		Request: request,
	}
	for _, header := range answer.Headers {
		response.Header.Add(header.Name, header.Value)
	}
	return response, nil
}
