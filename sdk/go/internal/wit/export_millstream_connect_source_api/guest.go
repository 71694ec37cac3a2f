//go:build wasip1

package export_millstream_connect_source_api

import (
	"runtime"

	"millstream.dev/sdk/internal/contract"
	"millstream.dev/sdk/internal/wit/lift"
	"millstream.dev/sdk/internal/wit/millstream_connect_source_api"
	"millstream.dev/sdk/internal/wit/millstream_connect_types"
	wit "millstream.dev/sdk/internal/wit/types"
)

type failure = millstream_connect_types.Error

// SourceConnector as the host holds it.
type SourceConnector struct {
	pinner    runtime.Pinner
	handle    int32
	connector contract.SourceConnector
}

// OnDrop does nothing: the garbage collector does it all.
func (c *SourceConnector) OnDrop() {}

// SourceConnectorCreate makes one of a class.
func SourceConnectorCreate(class string) wit.Result[*SourceConnector, failure] {
	made, failed := contract.Guest.SourceConnector(class)
	return lift.Result(&SourceConnector{connector: made}, failed)
}

// Validate as in the contract, and so all below.
func (c *SourceConnector) Validate(config lift.Entries) wit.Result[string, failure] {
	return lift.Result(c.connector.Validate(lift.Config(config)))
}

func (c *SourceConnector) Start(config lift.Entries) wit.Result[wit.Unit, failure] {
	return lift.Done(c.connector.Start(lift.Config(config)))
}

func (c *SourceConnector) TaskConfigs(maxTasks uint32) wit.Result[[]lift.Entries, failure] {
	configs, failed := c.connector.TaskConfigs(maxTasks)
	return lift.Result(lift.Configs(configs), failed)
}

func (c *SourceConnector) Stop() wit.Result[wit.Unit, failure] { return lift.Done(c.connector.Stop()) }

func (c *SourceConnector) ExactlyOnceSupport(config lift.Entries) wit.Result[millstream_connect_source_api.Support, failure] {
	return lift.Result(c.connector.ExactlyOnceSupport(lift.Config(config)))
}

func (c *SourceConnector) CanDefineTransactionBoundaries(config lift.Entries) wit.Result[millstream_connect_source_api.Support, failure] {
	return lift.Result(c.connector.CanDefineTransactionBoundaries(lift.Config(config)))
}

func (c *SourceConnector) AlterOffsets(config lift.Entries, offsets lift.Entries) wit.Result[bool, failure] {
	list := make([]contract.NewOffset, len(offsets))
	for i, offset := range offsets {
		list[i] = contract.NewOffset{Partition: offset.F0, Offset: lift.Text(offset.F1)}
	}
	return lift.Result(c.connector.AlterOffsets(lift.Config(config), list))
}

// SourceTask as the host holds it.
type SourceTask struct {
	pinner runtime.Pinner
	handle int32
	task   contract.SourceTask
}

// OnDrop does nothing: the garbage collector does it all.
func (t *SourceTask) OnDrop() {}

// SourceTaskCreate makes one of a class.
func SourceTaskCreate(class string) wit.Result[*SourceTask, failure] {
	made, failed := contract.Guest.SourceTask(class)
	return lift.Result(&SourceTask{task: made}, failed)
}

func (t *SourceTask) Start(config lift.Entries) wit.Result[wit.Unit, failure] {
	return lift.Done(t.task.Start(lift.Config(config)))
}

func (t *SourceTask) Poll(limits millstream_connect_source_api.PollLimits) wit.Result[wit.Option[[]uint8], failure] {
	bytes, failed := t.task.Poll(contract.Limits{
		MaxRecords: limits.MaxRecords, MaxBytes: limits.MaxBytes, MaxWaitMs: limits.MaxWaitMs,
	})
	return lift.Result(lift.OptionBytes(bytes), failed)
}

func (t *SourceTask) Committed(rows []uint8) wit.Result[wit.Unit, failure] {
	return lift.Done(t.task.Committed(rows))
}

func (t *SourceTask) Commit() wit.Result[wit.Unit, failure] { return lift.Done(t.task.Commit()) }

func (t *SourceTask) Stop() wit.Result[wit.Unit, failure] { return lift.Done(t.task.Stop()) }
