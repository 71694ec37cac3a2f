package main

import (
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/sdktest"
)

func TestNumbersAreAddedUpAndOthersReported(t *testing.T) {
	host := sdktest.New(t)
	file := host.File("file", "")
	task := host.SinkTask("org.example.TotalSinkConnector", config.MapOf("file", "totals.txt"))
	var records []*sdk.Record
	for _, value := range []any{int64(2), "two", int64(3)} {
		records = append(records, &sdk.Record{Topic: "t", Key: "a", Value: value})
	}
	if err := task.Put(records...); err != nil {
		t.Fatal(err)
	}
	if content := file.Content(); content != "a=2\na=5\n" {
		t.Errorf("wrote %q", content)
	}
	if reported := host.Sink().Reported; len(reported) != 1 || reported[0].Row != 1 {
		t.Errorf("reported %v", reported)
	}
	if file.Synced() != "" {
		t.Error("the file is on disk before a flush")
	}
	if _, err := task.PreCommit(); err != nil || file.Synced() != file.Content() {
		t.Errorf("flushed %q, %v", file.Synced(), err)
	}
}
