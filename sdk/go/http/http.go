// Package http sends requests to servers that configuration keys name.
//
// A key that opens a server (config.HTTPURL) lets the plugin send requests to the origin of its value. Who sends them, the
// host adds: passwords, tokens, keys and certificates never reach the plugin.
//
//	response, err := http.Get(url).Send()
//
// A request begins when it is started ([Request.Start]), so that several can be under way at a time. Package
// millstream.dev/sdk/http/nethttp does the same for a client of Go's own net/http, at the price of a component that is
// larger by some megabytes.
package http

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"millstream.dev/sdk"
	"millstream.dev/sdk/internal/contract"
)

// Request is a request that can be sent, more than once if need be.
type Request struct {
	Method string
	// URL begins with http:// or https://; what may not stand in one is to be encoded ([Encode]).
	URL     string
	Headers []Header
	Body    []byte
	// Timeout gives it up if its answer has not begun by then. If it is 0 or longer, the configuration's time counts.
	Timeout time.Duration
}

// Header is a header of a request or answer.
type Header struct{ Name, Value string }

// New is a request without headers and body.
func New(method, url string) *Request { return &Request{Method: method, URL: url} }

// Get is a GET.
func Get(url string) *Request { return New("GET", url) }

// Post is a POST with a body.
func Post(url string, body []byte) *Request {
	request := New("POST", url)
	request.Body = body
	return request
}

// PostJSON is a POST with a value as JSON.
func PostJSON(url string, value any) (*Request, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return Post(url, body).With("content-type", "application/json"), nil
}

// With adds a header.
func (r *Request) With(name, value string) *Request {
	r.Headers = append(r.Headers, Header{name, value})
	return r
}

// GiveUpAfter sets Timeout.
func (r *Request) GiveUpAfter(d time.Duration) *Request {
	r.Timeout = d
	return r
}

// Pending is a request under way.
type Pending struct {
	exchange contract.HTTPExchange
	failed   error
}

// Start sends the request. The answer comes while the plugin does other things.
func (r *Request) Start() *Pending {
	isSecure, authority, path, ok := parts(r.URL)
	if !ok {
		return &Pending{failed: &Error{Invalid, fmt.Sprintf("%s %s: it is no URL of HTTP", r.Method, r.URL)}}
	}
	request := &contract.HTTPRequest{
		Method: r.Method, URL: r.URL, IsSecure: isSecure, Authority: authority, Path: path, Body: r.Body,
	}
	if r.Timeout > 0 {
		request.TimeoutNanos = uint64(r.Timeout)
	}
	for _, header := range r.Headers {
		request.Headers = append(request.Headers, contract.HTTPHeader{Name: header.Name, Value: []byte(header.Value)})
	}
	if contract.StartHTTP == nil {
		panic("there is no host: in a test, make one with sdktest.New")
	}
	exchange, failed := contract.StartHTTP(request)
	if exchange == nil {
		return &Pending{failed: errorOf(failed)}
	}
	return &Pending{exchange: exchange}
}

// Send sends the request and waits for the whole answer. The error is an [*Error]: there was no answer, whatever its status.
func (r *Request) Send() (*Response, error) { return r.Start().Wait() }

// Wait waits for the whole answer, once.
func (p *Pending) Wait() (*Response, error) {
	if p.failed != nil {
		return nil, p.failed
	}
	answer, failed := p.exchange.Wait()
	if answer == nil {
		return nil, errorOf(failed)
	}
	response := &Response{Status: int(answer.Status), Body: answer.Body}
	for _, header := range answer.Headers {
		response.Headers = append(response.Headers, Header{strings.ToLower(header.Name), string(header.Value)})
	}
	return response, nil
}

// GiveUp gives the request up, in place of Wait.
func (p *Pending) GiveUp() {
	if p.exchange != nil {
		p.exchange.Close()
	}
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	// Headers have names in lower case.
	Headers []Header
	// Body is unpacked.
	Body []byte
}

// Header is the first header of a name, in any case; empty if there is none.
func (r *Response) Header(name string) string {
	for _, header := range r.Headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

// IsSuccess says whether the status is one of 200 to 299.
func (r *Response) IsSuccess() bool { return r.Status >= 200 && r.Status < 300 }

// Text is the body as text, with replacement characters for what is no UTF-8.
func (r *Response) Text() string {
	if utf8.Valid(r.Body) {
		return string(r.Body)
	}
	return strings.ToValidUTF8(string(r.Body), "\uFFFD")
}

// JSON reads the body as JSON.
func (r *Response) JSON(into any) error { return json.Unmarshal(r.Body, into) }

// Cause is why there was no answer.
type Cause string

// The causes.
const (
	Denied   Cause = "denied"    // neither the configuration nor the worker allows the request
	Config   Cause = "config"    // the configuration cannot be used
	DNS      Cause = "dns"       // the server's name has no address, or nobody could be asked for it
	Connect  Cause = "connect"   // nobody answers there
	Proxy    Cause = "proxy"     // the proxy does not pass the request on
	TLS      Cause = "tls"       // the connection could not be secured
	Auth     Cause = "auth"      // there is no token for the configured client
	Timeout  Cause = "timeout"   // the answer takes too long
	Cut      Cause = "cut"       // the connection ended too early, or something else than HTTP came
	TooLarge Cause = "too-large" // request or answer has more bytes than are allowed
	Busy     Cause = "busy"      // more is under way than is allowed
	Stopping Cause = "stopping"  // the task is asked to stop
	Invalid  Cause = "invalid"   // the request itself is none
)

// MayPass says whether the same may succeed later.
func (c Cause) MayPass() bool {
	switch c {
	case Denied, Config, Auth, TooLarge, Invalid:
		return false
	}
	return true
}

// Error is a request without an answer. Returned from a task as it is, or wrapped, it is retriable if the same may succeed
// later, and an error of the configuration if that does not allow it.
type Error struct {
	Cause   Cause
	Message string
}

func (e *Error) Error() string { return e.Message }

// As makes an sdk.Error of it.
func (e *Error) As(target any) bool {
	into, ok := target.(**sdk.Error)
	if !ok {
		return false
	}
	switch {
	case e.Cause == Denied || e.Cause == Config:
		*into = sdk.BadConfig("%s", e.Message)
	case e.Cause.MayPass():
		*into = sdk.Retriable("%s", e.Message)
	default:
		*into = sdk.Fatal("%s", e.Message)
	}
	return true
}

// errorOf reads what a host says, whose first word is the cause.
func errorOf(text string) *Error {
	if word, rest, ok := strings.Cut(text, ": "); ok {
		switch cause := Cause(word); cause {
		case Denied, Config, DNS, Connect, Proxy, TLS, Auth, Timeout, Cut, TooLarge, Busy, Stopping, Invalid:
			return &Error{cause, rest}
		}
	}
	return &Error{Cut, text}
}

// Encode is a text as a part of a path or query: what may not stand there as it is becomes %XX.
func Encode(text string) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		switch c := text[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			out = append(out, c)
		default:
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(out)
}

// parts are those of a URL of HTTP.
func parts(url string) (isSecure bool, authority, path string, ok bool) {
	scheme, rest, found := strings.Cut(url, "://")
	isSecure = strings.EqualFold(scheme, "https")
	if !found || !isSecure && !strings.EqualFold(scheme, "http") {
		return false, "", "", false
	}
	rest, _, _ = strings.Cut(rest, "#")
	at := strings.IndexAny(rest, "/?")
	if at < 0 {
		at = len(rest)
	}
	authority, path = rest[:at], rest[at:]
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return isSecure, authority, path, true
}
