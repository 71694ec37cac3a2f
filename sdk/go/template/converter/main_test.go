package main

import (
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
	"millstream.dev/sdk/sdktest"
)

func TestPairsSurviveBothWaysAndWhatIsNoPairFailsAlone(t *testing.T) {
	converter := sdktest.Converter(t, "__CLASS__", config.Map{}, sdk.ValueRole)
	left, failed := converter.ToConnect(
		sdk.NewRecord("t", []byte("a=1;b=2")), sdk.NewRecord("t", []byte("oops")), sdk.NewRecord("t", nil),
	)
	if len(left) != 2 || !data.Equal(left[0].Value, data.NewMap("a", "1", "b", "2")) || left[1].Value != nil {
		t.Errorf("converted to %v", left)
	}
	if len(failed) != 1 || failed[0].Row != 1 {
		t.Errorf("failed %v", failed)
	}
	schema := data.StructOf(data.Field{Name: "n", Schema: data.Of(data.Int32)})
	value := data.NewStruct(schema)
	if err := value.Set("n", int32(7)); err != nil {
		t.Fatal(err)
	}
	back, _ := converter.FromConnect(&sdk.Record{Topic: "t", ValueSchema: schema, Value: value})
	if !data.Equal(back[0].Value, []byte("n=7")) {
		t.Errorf("converted to %s", back[0].Value)
	}
}
