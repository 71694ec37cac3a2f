// A source: a clock that ticks, and after a restart goes on counting where it was.
package main

import (
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func init() {
	sdk.RegisterSource(sdk.Plugin{
		Class:   "org.example.TickSourceConnector",
		Version: "0.1.0",
		Doc:     "Counts, at a steady pace.",
	}, NewTickTask).ExactlyOnce(func(*TickConfig) (sdk.Support, error) {
		return sdk.Supported, nil
	})
}

func main() {}

// TickConfig is the configuration of connector and task alike. A clock cannot be divided: the connector has one task.
type TickConfig struct {
	Topic string
	Every time.Duration
}

// Keys declares the keys, once for the host and for the plugin.
func (c *TickConfig) Keys(keys *config.Keys) {
	keys.String(&c.Topic, "topic").Required().NonEmpty().Importance(config.High).Doc("Where ticks go.")
	keys.IntMillis(&c.Every, "every.ms").Default(1000).Range(1, 3_600_000).Doc("Milliseconds between ticks.")
}

// TickTask makes the records.
type TickTask struct {
	config *TickConfig
	schema *data.Schema
	next   int64
}

// partition is what the ticks come from. Offsets are stored per source partition; there is one clock.
var partition = sdk.Offset{"clock": "main"}

// NewTickTask starts the task where the last one has stopped.
func NewTickTask(config *TickConfig, context *sdk.SourceContext) (*TickTask, error) {
	// The offset of the last tick that has safely arrived, as Poll wrote it below.
	stored, err := context.Offset(partition)
	if err != nil {
		return nil, err
	}
	task := &TickTask{config: config, schema: data.Of(data.Int64)}
	if tick, ok := stored["tick"].(int64); ok {
		task.next = tick + 1
	}
	sdk.Infof("ticking from %d on", task.next)
	return task, nil
}

// Poll brings one tick.
func (t *TickTask) Poll(p *sdk.Poll) error {
	// Waiting is the host's business: it costs nothing, and ends early when the task is to stop.
	if stop := p.Wait(t.config.Every); stop {
		return nil
	}
	record := &sdk.Record{
		Topic: t.config.Topic, Key: "main", ValueSchema: t.schema, Value: t.next,
		SourcePartition: partition, SourceOffset: sdk.Offset{"tick": t.next},
	}
	t.next++
	return p.Add(record)
}
