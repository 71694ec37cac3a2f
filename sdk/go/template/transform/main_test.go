package main

import (
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
	"millstream.dev/sdk/sdktest"
)

func TestTextBecomesCapitalsAndWhatIsNoTextFailsAlone(t *testing.T) {
	chain := sdktest.Chain(t, sdk.Link{Class: "__CLASS__", Config: config.MapOf("field", "name")})
	left, failed := chain.Apply(
		sdk.NewRecord("t", data.NewMap("name", "grün", "n", int64(1))),
		sdk.NewRecord("t", data.NewMap("n", int64(2))),
		sdk.NewRecord("t", data.NewMap("name", int64(3))),
		sdk.NewRecord("t", nil),
	)
	if len(left) != 3 || !data.Equal(left[0].Value, data.NewMap("name", "GRÜN", "n", int64(1))) ||
		!data.Equal(left[1].Value, data.NewMap("n", int64(2))) || left[2].Value != nil {
		t.Errorf("left %v", left)
	}
	if len(failed) != 1 || failed[0].Row != 2 || failed[0].Field != "name" {
		t.Errorf("failed %v", failed)
	}
}

func TestWithoutAFieldTheWholeValueIsMeant(t *testing.T) {
	chain := sdktest.Chain(t, sdk.Link{Class: "__CLASS__"})
	left, _ := chain.Apply(sdk.NewRecord("t", "abc"))
	if left[0].Value != "ABC" {
		t.Errorf("left %v", left[0].Value)
	}
}
