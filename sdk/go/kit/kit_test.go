package main

import (
	"fmt"
	"strings"
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
	"millstream.dev/sdk/sdktest"
)

func source(t *testing.T, host *sdktest.Host, pairs ...string) *sdktest.SourceTask {
	t.Helper()
	return host.SourceTask("org.millstream.kit.KitSourceConnector", config.MapOf(pairs...))
}

func messages(host *sdktest.Host) string {
	var lines []string
	for _, line := range host.Log() {
		lines = append(lines, line.Message)
	}
	return strings.Join(lines, "|")
}

func TestEveryTypeSurvivesAnEcho(t *testing.T) {
	host := sdktest.New(t)
	records := source(t, host, "topic", "t", "mode", "types").Poll()
	if len(records) != 7 {
		t.Fatalf("%d records", len(records))
	}
	for row, expected := range everyType("t") {
		found := records[row]
		if !data.Equal(found.Value, expected.Value) || !found.ValueSchema.Equal(expected.ValueSchema) ||
			!data.Equal(found.Key, expected.Key) || len(found.Headers) != len(expected.Headers) {
			t.Errorf("row %d: %v instead of %v", row, found, expected)
		}
	}
	left, failed := sdktest.Chain(t, sdk.Link{Class: "org.millstream.kit.Echo"}).Apply(records...)
	if len(failed) != 0 {
		t.Fatal(failed)
	}
	for row, found := range left {
		expected := records[row]
		if !data.Equal(found.Value, expected.Value) || !found.ValueSchema.Equal(expected.ValueSchema) ||
			fmt.Sprint(found.Timestamp, found.SourceOffset) != fmt.Sprint(expected.Timestamp, expected.SourceOffset) {
			t.Errorf("row %d: %v instead of %v", row, found, expected)
		}
	}
	shown := show(left[0].Value)
	for _, part := range []string{"kit.Everything{i8=-128", "f64=-0.25", `text="grüße 😀"`, "raw=0x00ff10", "dec=dec(1234.50)",
		"date=at(1641600000000)", "time=at(3600000)", `map={"a": 1, "b": null}`, "inner=kit.Inner{n=7}", "gone=null, dflt=null}"} {
		if !strings.Contains(shown, part) {
			t.Errorf("%s is not in %s", part, shown)
		}
	}
}

func TestTheCounterGoesOnAndActionsHappen(t *testing.T) {
	host := sdktest.New(t)
	host.StoreOffset(counter, sdk.Offset{"n": 0})
	task := source(t, host, "topic", "t", "do", "poll#1: fail retriable; poll#2: offset; poll#3: panic")
	if log := messages(host); log != "start|config flag=false small=7 big=9007199254740993 ratio=0.5 names=[a, b] secret=null helper=null|from 1" {
		t.Error(log)
	}
	if _, err := task.TryPoll(); err == nil || err.(*sdk.Error).Kind != sdk.KindRetriable {
		t.Error(err)
	}
	if records := task.Poll(); len(records) != 2 || records[0].Key != "k1" || messages(host) != `offset {"n": 0}` {
		t.Error(records)
	}
	_, err := task.TryPoll()
	if err == nil || !strings.Contains(err.Error(), "panicked on purpose") || !strings.Contains(err.Error(), "kit.go:") {
		t.Error(err)
	}
}

func TestASinkWritesDownAndReports(t *testing.T) {
	host := sdktest.New(t)
	task := host.SinkTask("org.millstream.kit.KitSinkConnector", config.MapOf("do", "put#2: report 0 own; pre-commit: offsets none"))
	messages(host)
	if err := task.Put(sdk.NewRecord("t", "a"), sdk.NewRecord("t", "bad luck")); err != nil {
		t.Fatal(err)
	}
	if log := messages(host); log != `put 2|record t-0@0 null "a"` {
		t.Error(log)
	}
	if reported := host.Sink().Reported; len(reported) != 1 || reported[0].Message != "luck" || reported[0].Row != 1 {
		t.Error(reported)
	}
	if err := task.Put(sdk.NewRecord("t", "b")); err != nil || host.Sink().Reported[0].Class != "org.millstream.kit.OwnException" {
		t.Error(err)
	}
	if safe, err := task.PreCommit(sdk.TopicOffset{Offset: 3}); err != nil || len(safe) != 0 {
		t.Error(safe, err)
	}
}
