// Command __NAME__ is a plugin of Millstream: a source that counts, at a steady pace.
package main

import (
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func init() {
	sdk.RegisterSource(sdk.Plugin{
		Class:   "__CLASS__",
		Version: "0.1.0",
		Doc:     "Counts, at a steady pace.",
	}, New__TYPE__Task).ExactlyOnce(func(*__TYPE__Config) (sdk.Support, error) {
		// The same records come again from a stored offset.
		return sdk.Supported, nil
	})
}

func main() {}

// __TYPE__Config is what a user can set.
type __TYPE__Config struct {
	Topic string
	Every time.Duration
}

// Keys declares the keys, once for the host and for the plugin.
func (c *__TYPE__Config) Keys(keys *config.Keys) {
	keys.String(&c.Topic, "topic").Required().NonEmpty().Importance(config.High).Doc("Where ticks go.")
	keys.IntMillis(&c.Every, "every.ms").Default(1000).Range(1, 3_600_000).Doc("Milliseconds between ticks.")
}

// __TYPE__Task makes the records.
type __TYPE__Task struct {
	config *__TYPE__Config
	schema *data.Schema
	next   int64
}

// partition is what the records come from. Offsets are stored per source partition; there is one clock.
var partition = sdk.Offset{"clock": "main"}

// New__TYPE__Task starts the task where the last one has stopped.
func New__TYPE__Task(config *__TYPE__Config, context *sdk.SourceContext) (*__TYPE__Task, error) {
	// The offset of the last record that has safely arrived, as Poll wrote it below.
	stored, err := context.Offset(partition)
	if err != nil {
		return nil, err
	}
	task := &__TYPE__Task{config: config, schema: data.Of(data.Int64)}
	if tick, ok := stored["tick"].(int64); ok {
		task.next = tick + 1
	}
	sdk.Infof("counting from %d on", task.next)
	return task, nil
}

// Poll brings the next record.
func (t *__TYPE__Task) Poll(p *sdk.Poll) error {
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
