package sdktest

import (
	"errors"
	"strings"

	"millstream.dev/sdk/http"
	"millstream.dev/sdk/internal/contract"
)

// Serve answers every request of the plugin from now on. An [*http.Error] is what the host would say in place of an answer.
func (h *Host) Serve(answer func(*http.Request) (*http.Response, error)) {
	contract.StartHTTP = func(request *contract.HTTPRequest) (contract.HTTPExchange, string) {
		made := http.New(request.Method, request.URL)
		made.Body = request.Body
		for _, header := range request.Headers {
			made.With(header.Name, string(header.Value))
		}
		response, err := answer(made)
		if err != nil {
			text := err.Error()
			var own *http.Error
			if errors.As(err, &own) {
				text = string(own.Cause) + ": " + own.Message
			}
			return exchange{failed: text}, ""
		}
		converted := &contract.HTTPResponse{Status: uint16(response.Status), Body: response.Body}
		for _, header := range response.Headers {
			converted.Headers = append(converted.Headers, contract.HTTPHeader{
				Name: strings.ToLower(header.Name), Value: []byte(header.Value),
			})
		}
		return exchange{response: converted}, ""
	}
	h.t.Cleanup(func() { contract.StartHTTP = nil })
}

type exchange struct {
	response *contract.HTTPResponse
	failed   string
}

func (e exchange) Wait() (*contract.HTTPResponse, string) { return e.response, e.failed }
func (e exchange) Close()                                 {}
