package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"millstream.dev/sdk/internal/contract"
)

// TopicPartition is a partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition uint32
}

// String is topic-partition.
func (p TopicPartition) String() string { return fmt.Sprintf("%s-%d", p.Topic, p.Partition) }

// TopicOffset is a position in a topic: the offset of the next record.
type TopicOffset struct {
	TopicPartition
	Offset uint64
}

// ConnectorContext is what a connector may ask of the worker.
type ConnectorContext struct{}

// RequestTaskReconfiguration asks for TaskConfigs to be called again soon, because there is something else to divide among
// tasks than before.
func (*ConnectorContext) RequestTaskReconfiguration() { host().RequestTaskReconfiguration() }

// RaiseError fails the connector; its tasks go on.
func (*ConnectorContext) RaiseError(err error) { host().RaiseError(*lower(err)) }

// Offset is the stored offset of a source partition, as in [SourceContext.Offset].
func (*ConnectorContext) Offset(partition Offset) (Offset, error) {
	return (&SourceContext{}).Offset(partition)
}

// SourceContext is what a source task may ask of the worker.
type SourceContext struct{}

// Offset is the stored offset of a source partition: that of the newest record which it and everything before it have
// ended. It is nil where nothing is stored. Whole numbers come back as int64, others as float64.
func (c *SourceContext) Offset(partition Offset) (Offset, error) {
	offsets, err := c.Offsets(partition)
	if err != nil {
		return nil, err
	}
	return offsets[0], nil
}

// Offsets are the stored offsets of several source partitions, in the same order.
func (*SourceContext) Offsets(partitions ...Offset) ([]Offset, error) {
	texts := make([]string, len(partitions))
	for i, partition := range partitions {
		text, err := offsetText(partition)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	found, failed := host().ReadOffsets(texts)
	if failed != nil {
		return nil, raised(failed)
	}
	if len(found) != len(texts) {
		return nil, Fatal("the host answered %d stored offsets for %d source partitions", len(found), len(texts))
	}
	offsets := make([]Offset, len(found))
	for i, text := range found {
		if text != nil {
			var err error
			if offsets[i], err = offsetOf(*text); err != nil {
				return nil, err
			}
		}
	}
	return offsets, nil
}

// Transaction is where the task's transactions end, if it is to say so itself: where a user sets
// transaction.boundary=connector, for a connector that answers that it can, on a worker that delivers exactly once. Nil
// leaves them to the worker.
func (*SourceContext) Transaction() *Transaction {
	if !host().TransactionsAvailable() {
		return nil
	}
	return &Transaction{}
}

// Transaction says where the transactions of a source task end.
//
// What is asked for concerns the poll that is running, or the next one, and goes to the host with what that returns. Asking
// for both ends at one place, or behind a row that the poll does not return, fails the task. Records behind the last end
// wait in the open transaction for a later poll to end it.
type Transaction struct{}

// asked is what the next poll that returns hands over.
var asked []contract.Boundary

// Commit ends the transaction behind all that the poll returns, which may be nothing.
func (*Transaction) Commit() { asked = append(asked, contract.Boundary{Behind: -1}) }

// Abort gives the transaction up behind all that the poll returns. A task that wants its records again fails instead.
func (*Transaction) Abort() { asked = append(asked, contract.Boundary{Behind: -1, Abort: true}) }

// CommitAfter ends the transaction behind a row of the poll, whatever becomes of that row on its way.
func (*Transaction) CommitAfter(row int) {
	asked = append(asked, contract.Boundary{Behind: int64(row)})
}

// AbortAfter gives the transaction up behind a row of the poll.
func (*Transaction) AbortAfter(row int) {
	asked = append(asked, contract.Boundary{Behind: int64(row), Abort: true})
}

// handOver says what was asked for when a poll has returned. Rows of a poll that failed are none.
func handOver(polledWell bool) {
	if polledWell {
		if len(asked) > 0 {
			host().SetBoundaries(asked)
		}
		asked = nil
		return
	}
	var kept []contract.Boundary
	for _, boundary := range asked {
		if boundary.Behind < 0 {
			kept = append(kept, boundary)
		}
	}
	asked = kept
}

// SinkContext is what a sink task may ask of the worker.
type SinkContext struct{}

// Assignment is the partitions that are assigned to the task.
func (*SinkContext) Assignment() []TopicPartition { return partitionsOf(host().Assignment()) }

// Seek continues at these offsets before the next records are delivered: for sinks that keep their own offsets beside
// their data. Said within Open, it is where the partitions begin.
func (*SinkContext) Seek(offsets ...TopicOffset) { host().Seek(lowerOffsets(offsets)) }

// Pause delivers nothing from these partitions until they are resumed. It fails for one that is not assigned to the task.
func (*SinkContext) Pause(partitions ...TopicPartition) error {
	return raised(host().Pause(lowerPartitions(partitions)))
}

// Resume delivers from these partitions again. It fails for one that is not assigned to the task.
func (*SinkContext) Resume(partitions ...TopicPartition) error {
	return raised(host().Resume(lowerPartitions(partitions)))
}

// Timeout shortens the time until the next Put, once.
func (*SinkContext) Timeout(d time.Duration) { host().Timeout(millis(d)) }

// RequestCommit commits offsets as soon as possible.
func (*SinkContext) RequestCommit() { host().RequestCommit() }

// Report reports rows of the batch passed to the running Put that can never be written. They go to the error policy of the
// task. It fails if the policy tolerates no errors: return the error from Put then.
func (*SinkContext) Report(rows ...RowError) error {
	list := make([]contract.RowError, len(rows))
	for i, row := range rows {
		list[i] = lowerRow(row.Row, 0, row.Err)
	}
	return raised(host().Report(list))
}

// TopicReport is a record that a sink writes to a topic as it is. A nil key or value is null.
type TopicReport struct {
	Key, Value []byte
	Headers    []ReportHeader
}

// ReportHeader is a header of a TopicReport.
type ReportHeader struct {
	Key   string
	Value []byte
}

// Write appends records to the topic that the value of a key names ([config.Topic]), and returns when all are durable.
// After an error some of them may be.
func (*SinkContext) Write(key string, reports ...TopicReport) error {
	const atATime = 1000 // The host takes so many, and more, in one call.
	for len(reports) > 0 {
		now := reports[:min(atATime, len(reports))]
		reports = reports[len(now):]
		list := make([]contract.Report, len(now))
		for i, report := range now {
			list[i] = contract.Report{Key: report.Key, Value: report.Value}
			for _, header := range report.Headers {
				list[i].Headers = append(list[i].Headers, contract.ReportHeader(header))
			}
		}
		if failed := host().WriteReports(key, list); failed != nil {
			return raised(failed)
		}
	}
	return nil
}

func partitionsOf(list []contract.TopicPartition) []TopicPartition {
	made := make([]TopicPartition, len(list))
	for i, of := range list {
		made[i] = TopicPartition(of)
	}
	return made
}

func lowerPartitions(list []TopicPartition) []contract.TopicPartition {
	made := make([]contract.TopicPartition, len(list))
	for i, of := range list {
		made[i] = contract.TopicPartition(of)
	}
	return made
}

func offsetsOf(list []contract.TopicOffset) []TopicOffset {
	made := make([]TopicOffset, len(list))
	for i, of := range list {
		made[i] = TopicOffset{TopicPartition{of.Topic, of.Partition}, of.Offset}
	}
	return made
}

func lowerOffsets(list []TopicOffset) []contract.TopicOffset {
	made := make([]contract.TopicOffset, len(list))
	for i, of := range list {
		made[i] = contract.TopicOffset{Topic: of.Topic, Partition: of.Partition, Offset: of.Offset}
	}
	return made
}

// offsetText is a source partition or offset as JSON.
func offsetText(offset Offset) (string, error) {
	if err := checkJSON(offset); err != nil {
		return "", err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(offset); err != nil {
		return "", BadData("write a source partition or offset as JSON: %w", err)
	}
	return string(bytes.TrimRight(out.Bytes(), "\n")), nil
}

// checkJSON refuses what has no form in offsets.
func checkJSON(value any) error {
	unsuitable := func() error { return BadData("a source partition or offset cannot hold a %T (%v)", value, value) }
	switch value := value.(type) {
	case nil, bool, string, int, int8, int16, int32, int64, uint8, uint16, uint32:
		return nil
	case float32:
		return checkJSON(float64(value))
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return unsuitable()
		}
		return nil
	case []any:
		for _, item := range value {
			if err := checkJSON(item); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		for _, item := range value {
			if err := checkJSON(item); err != nil {
				return err
			}
		}
		return nil
	}
	return unsuitable()
}

// offsetOf is a source partition or offset from JSON: integers become int64, other numbers float64.
func offsetOf(text string) (Offset, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var offset map[string]any
	if err := decoder.Decode(&offset); err != nil {
		return nil, BadData("read a source partition or offset of the host: %w", err)
	}
	for key, value := range offset {
		offset[key] = numbers(value)
	}
	return offset, nil
}

func numbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		if number, err := value.Int64(); err == nil {
			return number
		}
		number, err := value.Float64()
		if err != nil && number == 0 {
			return math.NaN()
		}
		return number
	case []any:
		for i := range value {
			value[i] = numbers(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = numbers(value[key])
		}
	}
	return value
}
