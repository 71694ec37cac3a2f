package main

import (
	"testing"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/sdktest"
)

func TestTicksGoOnAfterARestart(t *testing.T) {
	host := sdktest.New(t)
	host.StoreOffset(partition, sdk.Offset{"tick": 41})
	task := host.SourceTask("org.example.TickSourceConnector", config.MapOf("topic", "ticks", "every.ms", "250"))
	records := task.Poll()
	if len(records) != 1 || records[0].Value != int64(42) || records[0].Topic != "ticks" {
		t.Errorf("polled %v", records)
	}
	if waits := host.Waits(); len(waits) != 1 || waits[0] != 250*time.Millisecond {
		t.Errorf("waited %v", waits)
	}
}

func TestATickHasToGoSomewhere(t *testing.T) {
	host := sdktest.New(t)
	_, err := host.StartSourceTask("org.example.TickSourceConnector", config.MapOf("topic", ""))
	if err == nil || err.Error() != "Invalid value  for configuration topic: String must be non-empty" {
		t.Errorf("started with %v", err)
	}
}
