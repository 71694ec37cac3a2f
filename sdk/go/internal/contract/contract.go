// Package contract is the contract between host and plugin in plain Go types. What a component exports stands behind
// [Guest], what the host offers behind [Host]: in a component by the generated bindings, in a test by package sdktest.
package contract

// Entry is a key of a configuration; it may be there without a value.
type Entry struct {
	Key   string
	Value *string
}

// Config is a configuration in the order given.
type Config []Entry

// Kinds of errors.
const (
	Retriable uint8 = iota
	Data
	BadConfig
	Fatal
)

// Error is a failure.
type Error struct {
	Kind    uint8
	Class   string
	Message string
	Causes  []string
}

// RowError is the failure of one row of a batch.
type RowError struct {
	Row, Link uint32
	Kind      uint8
	Class     string
	Message   string
	Field     *string
}

// TopicPartition is a partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition uint32
}

// TopicOffset is a position in a topic.
type TopicOffset struct {
	Topic     string
	Partition uint32
	Offset    uint64
}

// NewOffset is what a user sets the offset of a source partition to, both as JSON.
type NewOffset struct {
	Partition string
	Offset    *string
}

// NewSinkOffset is what a user sets the offset of a partition to.
type NewSinkOffset struct {
	Partition TopicPartition
	Offset    *TopicOffset
}

// Limits of a poll.
type Limits struct{ MaxRecords, MaxBytes, MaxWaitMs uint32 }

// Link of a chain of transforms.
type Link struct {
	Class     string
	Config    Config
	Condition *Condition
}

// Condition of a link.
type Condition struct {
	Class  string
	Config Config
	Negate bool
}

// LinkError says which link could not be made.
type LinkError struct {
	Link  uint32
	Error Error
}

// Outcome of a batch; Changed is nil if it stands unchanged.
type Outcome struct {
	Changed []byte
	Errors  []RowError
}

// Verdict of a predicate: a bitmap.
type Verdict struct {
	Holds  []byte
	Errors []RowError
}

// Component is what a component exports. None of its functions panics.
type Component interface {
	Describe() string
	SourceConnector(class string) (SourceConnector, *Error)
	SourceTask(class string) (SourceTask, *Error)
	SinkConnector(class string) (SinkConnector, *Error)
	SinkTask(class string) (SinkTask, *Error)
	Chain(links []Link) (Chain, *LinkError)
	Predicate(class string, config Config) (Predicate, *Error)
	Converter(class string, config Config, role uint8) (Converter, *Error)
}

// Connector is what source and sink connectors have in common.
type Connector interface {
	Validate(config Config) (string, *Error)
	Start(config Config) *Error
	TaskConfigs(maxTasks uint32) ([]Config, *Error)
	Stop() *Error
}

// SourceConnector as the contract has it.
type SourceConnector interface {
	Connector
	ExactlyOnceSupport(config Config) (uint8, *Error)
	CanDefineTransactionBoundaries(config Config) (uint8, *Error)
	AlterOffsets(config Config, offsets []NewOffset) (bool, *Error)
}

// SourceTask as the contract has it. A nil batch is none.
type SourceTask interface {
	Start(config Config) *Error
	Poll(limits Limits) ([]byte, *Error)
	Committed(rows []byte) *Error
	Commit() *Error
	Stop() *Error
}

// SinkConnector as the contract has it.
type SinkConnector interface {
	Connector
	AlterOffsets(config Config, offsets []NewSinkOffset) (bool, *Error)
}

// SinkTask as the contract has it.
type SinkTask interface {
	Start(config Config) *Error
	Open(partitions []TopicPartition) *Error
	Put(records []byte) *Error
	// PreCommit returns whether all may be committed, else the offsets that may.
	PreCommit(offsets []TopicOffset) (all bool, some []TopicOffset, failed *Error)
	Close(partitions []TopicPartition) *Error
	Stop() *Error
}

// Chain of transforms.
type Chain interface {
	Apply(records []byte, only []byte, limited bool) (Outcome, *Error)
}

// Predicate as the contract has it.
type Predicate interface {
	Test(records []byte) (Verdict, *Error)
}

// Converter as the contract has it.
type Converter interface {
	ToConnect(records []byte) (Outcome, *Error)
	FromConnect(records []byte) (Outcome, *Error)
}

// Guest is what this component exports; package sdk sets it.
var Guest Component
