package contract

// HTTPRequest is a request as it is sent.
type HTTPRequest struct {
	Method, URL string
	// IsSecure, Authority and Path are the parts of the URL.
	IsSecure        bool
	Authority, Path string
	Headers         []HTTPHeader
	Body            []byte
	// TimeoutNanos is 0 if the request has none of its own.
	TimeoutNanos uint64
}

// HTTPHeader is a header of a request or answer.
type HTTPHeader struct {
	Name  string
	Value []byte
}

// HTTPResponse is an answer, read to its end.
type HTTPResponse struct {
	Status  uint16
	Headers []HTTPHeader
	Body    []byte
}

// HTTPExchange is a request under way.
type HTTPExchange interface {
	// Wait waits for the whole answer. Failed is the host's text if there is none.
	Wait() (response *HTTPResponse, failed string)
	Close()
}

// StartHTTP sends a request; the bindings or a test set it. Failed is the host's text if it cannot be sent.
var StartHTTP func(request *HTTPRequest) (exchange HTTPExchange, failed string)
