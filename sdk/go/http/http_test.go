package http_test

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/http"
	transport "millstream.dev/sdk/http/nethttp"
	"millstream.dev/sdk/sdktest"
)

func TestSeveralRequestsAreUnderWayAtATime(t *testing.T) {
	host := sdktest.New(t)
	host.Serve(func(request *http.Request) (*http.Response, error) {
		return &http.Response{Status: 200, Body: fmt.Appendf(nil, "you sent %d", len(request.Body))}, nil
	})
	var pending []*http.Pending
	for n := range 2 {
		pending = append(pending, http.Post("http://api.example.com/events", []byte(strings.Repeat("x", n+1))).Start())
	}
	for n, one := range pending {
		answer, err := one.Wait()
		if err != nil || answer.Text() != fmt.Sprintf("you sent %d", n+1) {
			t.Errorf("%v, %v", answer, err)
		}
	}
}

func TestARequestWithoutAnAnswerSaysWhy(t *testing.T) {
	host := sdktest.New(t)
	var cause http.Cause
	host.Serve(func(*http.Request) (*http.Response, error) { return nil, &http.Error{Cause: cause, Message: "no"} })
	for one, kind := range map[http.Cause]sdk.Kind{
		http.Timeout: sdk.KindRetriable, http.DNS: sdk.KindRetriable, http.Denied: sdk.KindConfig, http.Auth: sdk.KindFatal,
	} {
		cause = one
		_, err := http.Get("https://h/").Send()
		var failed *http.Error
		var own *sdk.Error
		if !errors.As(err, &failed) || failed.Cause != one || !errors.As(err, &own) || own.Kind != kind {
			t.Errorf("%s: %v, %v", one, err, own)
		}
	}
	if _, err := http.Get("ftp://h/").Send(); err == nil || err.(*http.Error).Cause != http.Invalid {
		t.Error(err)
	}
}

func TestGosOwnClientSendsThroughTheHost(t *testing.T) {
	host := sdktest.New(t)
	host.Serve(func(request *http.Request) (*http.Response, error) {
		return &http.Response{Status: 201, Headers: []http.Header{{Name: "X-Echo", Value: request.URL}}, Body: request.Body}, nil
	})
	client := &nethttp.Client{Transport: transport.Transport{}}
	answer, err := client.Post("http://h/a?b=c", "text/plain", strings.NewReader("body"))
	if err != nil || answer.StatusCode != 201 || answer.Header.Get("x-echo") != "http://h/a?b=c" || answer.ContentLength != 4 {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestWhatMayNotStandInAURLIsEncoded(t *testing.T) {
	if text := http.Encode("a/b ü?"); text != "a%2Fb%20%C3%BC%3F" {
		t.Error(text)
	}
}
