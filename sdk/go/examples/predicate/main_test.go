package main

import (
	"testing"

	"millstream.dev/sdk"
)

func TestItHoldsForTextThatContainsTheOther(t *testing.T) {
	predicate := &Contains{"lo"}
	for value, expected := range map[any]bool{"hello": true, "bye": false, nil: false} {
		if holds, err := predicate.Test(sdk.NewRecord("t", value)); holds != expected || err != nil {
			t.Errorf("%v: %v, %v", value, holds, err)
		}
	}
}
