package main

import (
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/sdktest"
)

func TestItGoesOnAfterARestart(t *testing.T) {
	host := sdktest.New(t)
	host.StoreOffset(partition, sdk.Offset{"tick": 41})
	task := host.SourceTask("__CLASS__", config.MapOf("topic", "ticks"))
	records := task.Poll()
	if len(records) != 1 || records[0].Value != int64(42) || records[0].Topic != "ticks" {
		t.Errorf("polled %v", records)
	}
}
