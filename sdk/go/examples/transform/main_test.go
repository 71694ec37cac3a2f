package main

import (
	"fmt"
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/sdktest"
)

func TestAChainChangesMultipliesAndDrops(t *testing.T) {
	chain := sdktest.Chain(t,
		sdk.Link{Class: "org.example.SplitWords"},
		sdk.Link{Class: "org.example.Shout"},
		sdk.Link{Class: "org.example.Retopic", Config: config.MapOf("topic", "words")},
	)
	var records []*sdk.Record
	for _, value := range []any{"a bc", nil, int64(1), "d"} {
		records = append(records, sdk.NewRecord("t", value))
	}
	left, failed := chain.Apply(records...)
	var words []string
	for _, record := range left {
		words = append(words, fmt.Sprintf("%s/%v", record.Topic, record.Value))
	}
	if fmt.Sprint(words) != "[words/A words/BC words/D]" {
		t.Errorf("left %v", words)
	}
	// The third row, by the number it came in with, failed in the second link.
	if len(failed) != 1 || failed[0].Row != 2 || failed[0].Link != 1 ||
		failed[0].Message != "expected text, found a java.lang.Long" {
		t.Errorf("failed %v", failed)
	}
}

func TestRowsThatAreNotMeantStayAsTheyAre(t *testing.T) {
	chain := sdktest.Chain(t, sdk.Link{Class: "org.example.Retopic", Config: config.MapOf("topic", "new")})
	left, _ := chain.ApplyTo([]int{1}, sdk.NewRecord("t", "a"), sdk.NewRecord("t", "b"))
	if left[0].Topic != "t" || left[1].Topic != "new" {
		t.Errorf("topics %s, %s", left[0].Topic, left[1].Topic)
	}
}
