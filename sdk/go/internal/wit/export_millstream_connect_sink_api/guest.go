//go:build wasip1

package export_millstream_connect_sink_api

import (
	"runtime"

	"millstream.dev/sdk/internal/contract"
	"millstream.dev/sdk/internal/wit/lift"
	"millstream.dev/sdk/internal/wit/millstream_connect_types"
	wit "millstream.dev/sdk/internal/wit/types"
)

type (
	failure   = millstream_connect_types.Error
	partition = millstream_connect_types.TopicPartition
	offset    = millstream_connect_types.TopicOffset
)

// SinkConnector as the host holds it.
type SinkConnector struct {
	pinner    runtime.Pinner
	handle    int32
	connector contract.SinkConnector
}

// OnDrop does nothing: the garbage collector does it all.
func (c *SinkConnector) OnDrop() {}

// SinkConnectorCreate makes one of a class.
func SinkConnectorCreate(class string) wit.Result[*SinkConnector, failure] {
	made, failed := contract.Guest.SinkConnector(class)
	return lift.Result(&SinkConnector{connector: made}, failed)
}

// Validate as in the contract, and so all below.
func (c *SinkConnector) Validate(config lift.Entries) wit.Result[string, failure] {
	return lift.Result(c.connector.Validate(lift.Config(config)))
}

func (c *SinkConnector) Start(config lift.Entries) wit.Result[wit.Unit, failure] {
	return lift.Done(c.connector.Start(lift.Config(config)))
}

func (c *SinkConnector) TaskConfigs(maxTasks uint32) wit.Result[[]lift.Entries, failure] {
	configs, failed := c.connector.TaskConfigs(maxTasks)
	return lift.Result(lift.Configs(configs), failed)
}

func (c *SinkConnector) Stop() wit.Result[wit.Unit, failure] { return lift.Done(c.connector.Stop()) }

func (c *SinkConnector) AlterOffsets(config lift.Entries, offsets []wit.Tuple2[partition, wit.Option[offset]]) wit.Result[bool, failure] {
	list := make([]contract.NewSinkOffset, len(offsets))
	for i, given := range offsets {
		list[i].Partition = lift.Partition(given.F0)
		if given.F1.Tag() != wit.OptionNone {
			at := lift.Offset(given.F1.Some())
			list[i].Offset = &at
		}
	}
	return lift.Result(c.connector.AlterOffsets(lift.Config(config), list))
}

// SinkTask as the host holds it.
type SinkTask struct {
	pinner runtime.Pinner
	handle int32
	task   contract.SinkTask
}

// OnDrop does nothing: the garbage collector does it all.
func (t *SinkTask) OnDrop() {}

// SinkTaskCreate makes one of a class.
func SinkTaskCreate(class string) wit.Result[*SinkTask, failure] {
	made, failed := contract.Guest.SinkTask(class)
	return lift.Result(&SinkTask{task: made}, failed)
}

func (t *SinkTask) Start(config lift.Entries) wit.Result[wit.Unit, failure] {
	return lift.Done(t.task.Start(lift.Config(config)))
}

func (t *SinkTask) Open(partitions []partition) wit.Result[wit.Unit, failure] {
	return lift.Done(t.task.Open(lift.Partitions(partitions)))
}

func (t *SinkTask) Put(records []uint8) wit.Result[wit.Unit, failure] {
	return lift.Done(t.task.Put(records))
}

func (t *SinkTask) PreCommit(offsets []offset) wit.Result[wit.Option[[]offset], failure] {
	list := make([]contract.TopicOffset, len(offsets))
	for i, given := range offsets {
		list[i] = lift.Offset(given)
	}
	all, some, failed := t.task.PreCommit(list)
	safe := wit.None[[]offset]()
	if !all {
		safe = wit.Some(lift.LowerOffsets(some))
	}
	return lift.Result(safe, failed)
}

func (t *SinkTask) Close(partitions []partition) wit.Result[wit.Unit, failure] {
	return lift.Done(t.task.Close(lift.Partitions(partitions)))
}

func (t *SinkTask) Stop() wit.Result[wit.Unit, failure] { return lift.Done(t.task.Stop()) }
