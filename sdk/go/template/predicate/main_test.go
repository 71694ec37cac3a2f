package main

import (
	"fmt"
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
	"millstream.dev/sdk/sdktest"
)

func TestItHoldsForTextThatContainsTheOther(t *testing.T) {
	holds, failed := sdktest.Predicate(t, "__CLASS__", config.MapOf("field", "name", "text", "lo"),
		sdk.NewRecord("t", data.NewMap("name", "hello")),
		sdk.NewRecord("t", data.NewMap("name", "bye")),
		sdk.NewRecord("t", data.NewMap("name", int64(1))),
		sdk.NewRecord("t", "hello"),
		sdk.NewRecord("t", nil),
	)
	if fmt.Sprint(holds) != "[true false false false false]" || failed != nil {
		t.Errorf("holds %v, failed %v", holds, failed)
	}
}
