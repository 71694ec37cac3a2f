package main

import (
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/sdktest"
)

func TestEachRecordIsALine(t *testing.T) {
	host := sdktest.New(t)
	file := host.File("file", "")
	task := host.SinkTask("__CLASS__", config.MapOf("file", "out.txt"))
	records := []*sdk.Record{{Topic: "t", Key: "a", Value: int64(1)}, {Topic: "t", Value: "x"}}
	if err := task.Put(records...); err != nil {
		t.Fatal(err)
	}
	if _, err := task.PreCommit(); err != nil {
		t.Fatal(err)
	}
	if synced := file.Synced(); synced != "a=1\nnull=x\n" {
		t.Errorf("wrote %q", synced)
	}
}
