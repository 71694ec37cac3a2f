package main

import (
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
	"millstream.dev/sdk/sdktest"
)

func TestPairsSurviveBothWaysAndWhatIsNoPairFailsAlone(t *testing.T) {
	converter := sdktest.Converter(t, "org.example.PairsConverter", config.Map{}, sdk.ValueRole)
	var records []*sdk.Record
	for _, bytes := range []string{"a=1;b=2", "oops", ""} {
		records = append(records, &sdk.Record{Topic: "t", Key: "k", Value: []byte(bytes)})
	}
	left, failed := converter.ToConnect(records...)
	if len(left) != 2 || !data.Equal(left[0].Value, data.NewMap("a", "1", "b", "2")) ||
		!data.Equal(left[1].Value, data.NewMap()) {
		t.Errorf("converted to %v", left)
	}
	if len(failed) != 1 || failed[0].Row != 1 || failed[0].Message != "expected a pair with '=', found 'oops'" {
		t.Errorf("failed %v", failed)
	}
	back, _ := converter.FromConnect(left...)
	if !data.Equal(back[0].Value, []byte("a=1;b=2")) {
		t.Errorf("converted back to %v", back[0].Value)
	}
}
