// Command __NAME__ is a plugin of Millstream: a sink that appends a line to a file for each record.
package main

import (
	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func init() {
	sdk.RegisterSink(sdk.Plugin{
		Class:   "__CLASS__",
		Version: "0.1.0",
		Doc:     "Appends a line `key=value` to a file for each record.",
	}, New__TYPE__Task)
}

func main() {}

// __TYPE__Config is what a user can set.
type __TYPE__Config struct{ File string }

// Keys declares the keys. Opens is what lets the plugin open the file that the user names: it can reach no other.
func (c *__TYPE__Config) Keys(keys *config.Keys) {
	keys.String(&c.File, "file").Required().Importance(config.High).
		Doc("File that records are appended to, a line for each.").Opens(config.AppendFile())
}

// __TYPE__Task takes the records.
type __TYPE__Task struct{ file *sdk.File }

// New__TYPE__Task starts a task.
func New__TYPE__Task(*__TYPE__Config, *sdk.SinkContext) (*__TYPE__Task, error) {
	file, err := sdk.OpenFile("file")
	if err != nil {
		return nil, err
	}
	return &__TYPE__Task{file}, nil
}

// Put writes the next records. The same ones may come again after a failure.
func (t *__TYPE__Task) Put(records *sdk.Records) error {
	var lines []byte
	for _, record := range records.All() {
		lines = append(data.AppendText(lines, record.Key), '=')
		lines = append(data.AppendText(lines, record.Value), '\n')
	}
	_, err := t.file.Write(lines)
	return err
}

// Flush makes the lines safe: offsets are committed when it returns.
func (t *__TYPE__Task) Flush() error { return t.file.Sync() }
