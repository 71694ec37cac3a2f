// A sink: keeps a running total per key in a file, and shows how records that can never be written are reported.
package main

import (
	"fmt"
	"math"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func init() {
	// Kafka deals topic partitions out to as many tasks as are asked for: the connector needs nothing of its own.
	sdk.RegisterSink(sdk.Plugin{
		Class:   "org.example.TotalSinkConnector",
		Version: "0.1.0",
		Doc:     "Adds up the whole numbers under each key.",
	}, NewTotalTask)
}

func main() {}

// TotalConfig is the configuration of connector and task alike.
type TotalConfig struct{ File string }

// Keys declares the keys. Opens is what lets the plugin open the file that the user names: it can reach no other.
func (c *TotalConfig) Keys(keys *config.Keys) {
	keys.String(&c.File, "file").Required().Importance(config.High).
		Doc("File that totals are written to, a line for each change.").Opens(config.AppendFile())
}

// TotalTask takes the records.
type TotalTask struct {
	context *sdk.SinkContext
	file    *sdk.File
	totals  map[string]int64
}

// NewTotalTask starts a task.
func NewTotalTask(_ *TotalConfig, context *sdk.SinkContext) (*TotalTask, error) {
	file, err := sdk.OpenFile("file")
	if err != nil {
		return nil, err
	}
	return &TotalTask{context, file, map[string]int64{}}, nil
}

// Put adds up, and reports what is no whole number.
func (t *TotalTask) Put(records *sdk.Records) error {
	var lines []byte
	var rejected []sdk.RowError
	for row, record := range records.All() {
		number, ok := record.Value.(int64)
		if !ok {
			rejected = append(rejected, sdk.RowError{
				Row: row, Err: sdk.BadData("expected a whole number, found a %s", data.JavaClass(record.Value)),
			})
			continue
		}
		key := data.Text(record.Key)
		t.totals[key] = saturatingAdd(t.totals[key], number)
		lines = fmt.Appendf(lines, "%s=%d\n", key, t.totals[key])
	}
	if rejected != nil {
		// Goes to the error policy of the task; fails if it tolerates none.
		if err := t.context.Report(rejected...); err != nil {
			return err
		}
	}
	_, err := t.file.Write(lines)
	return err
}

// Flush makes the lines safe: offsets are committed when it returns.
func (t *TotalTask) Flush() error { return t.file.Sync() }

func saturatingAdd(a, b int64) int64 {
	switch sum := a + b; {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	default:
		return sum
	}
}
