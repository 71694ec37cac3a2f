//go:build wasip1

// Package lift turns the bindings' types into those of package contract and back, field by field.
package lift

import (
	"millstream.dev/sdk/internal/contract"
	"millstream.dev/sdk/internal/wit/millstream_connect_types"
	wit "millstream.dev/sdk/internal/wit/types"
)

// Entries is a configuration as the bindings have it.
type Entries = []wit.Tuple2[string, wit.Option[string]]

// Text is an optional text.
func Text(option wit.Option[string]) *string {
	if option.Tag() == wit.OptionNone {
		return nil
	}
	text := option.Some()
	return &text
}

// Option is an optional text as the bindings have it.
func Option(text *string) wit.Option[string] {
	if text == nil {
		return wit.None[string]()
	}
	return wit.Some(*text)
}

// Bytes are optional bytes; nil is none.
func Bytes(option wit.Option[[]uint8]) []byte {
	if option.Tag() == wit.OptionNone {
		return nil
	}
	if some := option.Some(); some != nil {
		return some
	}
	return []byte{}
}

// OptionBytes are optional bytes as the bindings have them.
func OptionBytes(bytes []byte) wit.Option[[]uint8] {
	if bytes == nil {
		return wit.None[[]uint8]()
	}
	return wit.Some(bytes)
}

// Config is a configuration.
func Config(entries Entries) contract.Config {
	config := make(contract.Config, len(entries))
	for i, entry := range entries {
		config[i] = contract.Entry{Key: entry.F0, Value: Text(entry.F1)}
	}
	return config
}

// Configs are configurations as the bindings have them.
func Configs(configs []contract.Config) []Entries {
	made := make([]Entries, len(configs))
	for i, config := range configs {
		for _, entry := range config {
			made[i] = append(made[i], wit.Tuple2[string, wit.Option[string]]{F0: entry.Key, F1: Option(entry.Value)})
		}
	}
	return made
}

// Error of the host.
func Error(failed millstream_connect_types.Error) *contract.Error {
	return &contract.Error{Kind: failed.Kind, Class: failed.Class, Message: failed.Message, Causes: failed.Causes}
}

// Lower is an error as the bindings have it.
func Lower(failed *contract.Error) millstream_connect_types.Error {
	return millstream_connect_types.Error{
		Kind: failed.Kind, Class: failed.Class, Message: failed.Message, Causes: failed.Causes,
	}
}

// Done is the result of a call that returns nothing.
func Done(failed *contract.Error) wit.Result[wit.Unit, millstream_connect_types.Error] {
	return Result(wit.Unit{}, failed)
}

// Result is a value or an error.
func Result[T any](value T, failed *contract.Error) wit.Result[T, millstream_connect_types.Error] {
	if failed != nil {
		return wit.Err[T](Lower(failed))
	}
	return wit.Ok[T, millstream_connect_types.Error](value)
}

// Failed is the error of a result, nil if it is none.
func Failed[T any](result wit.Result[T, millstream_connect_types.Error]) *contract.Error {
	if result.IsErr() {
		return Error(result.Err())
	}
	return nil
}

// Get is what a result is.
func Get[T any](result wit.Result[T, millstream_connect_types.Error]) (value T, failed *contract.Error) {
	if result.IsErr() {
		return value, Error(result.Err())
	}
	return result.Ok(), nil
}

// Split is a number in two halves.
func Split(number uint64) millstream_connect_types.Wide {
	return millstream_connect_types.Wide{High: uint32(number >> 32), Low: uint32(number)}
}

// Join is the number of two halves.
func Join(wide millstream_connect_types.Wide) uint64 { return uint64(wide.High)<<32 | uint64(wide.Low) }

// Partition of a topic.
func Partition(of millstream_connect_types.TopicPartition) contract.TopicPartition {
	return contract.TopicPartition{Topic: of.Topic, Partition: of.Partition}
}

// Partitions of topics.
func Partitions(list []millstream_connect_types.TopicPartition) []contract.TopicPartition {
	made := make([]contract.TopicPartition, len(list))
	for i, of := range list {
		made[i] = Partition(of)
	}
	return made
}

// LowerPartitions are partitions as the bindings have them.
func LowerPartitions(list []contract.TopicPartition) []millstream_connect_types.TopicPartition {
	made := make([]millstream_connect_types.TopicPartition, len(list))
	for i, of := range list {
		made[i] = millstream_connect_types.TopicPartition{Topic: of.Topic, Partition: of.Partition}
	}
	return made
}

// Offset in a topic.
func Offset(of millstream_connect_types.TopicOffset) contract.TopicOffset {
	return contract.TopicOffset{Topic: of.Topic, Partition: of.Partition, Offset: Join(of.Offset)}
}

// LowerOffsets are offsets as the bindings have them.
func LowerOffsets(list []contract.TopicOffset) []millstream_connect_types.TopicOffset {
	made := make([]millstream_connect_types.TopicOffset, len(list))
	for i, of := range list {
		made[i] = millstream_connect_types.TopicOffset{Topic: of.Topic, Partition: of.Partition, Offset: Split(of.Offset)}
	}
	return made
}

// RowErrors of the host.
func RowErrors(list []millstream_connect_types.RowError) []contract.RowError {
	made := make([]contract.RowError, len(list))
	for i, of := range list {
		made[i] = contract.RowError{
			Row: of.Row, Link: of.Link, Kind: of.Kind, Class: of.Class, Message: of.Message, Field: Text(of.Field),
		}
	}
	return made
}

// LowerRowErrors are failures of rows as the bindings have them.
func LowerRowErrors(list []contract.RowError) []millstream_connect_types.RowError {
	made := make([]millstream_connect_types.RowError, len(list))
	for i, of := range list {
		made[i] = millstream_connect_types.RowError{
			Row: of.Row, Link: of.Link, Kind: of.Kind, Class: of.Class, Message: of.Message, Field: Option(of.Field),
		}
	}
	return made
}

// Outcome of a batch as the bindings have it.
func Outcome(outcome contract.Outcome) millstream_connect_types.Outcome {
	return millstream_connect_types.Outcome{
		Changed: OptionBytes(outcome.Changed), Errors: LowerRowErrors(outcome.Errors),
	}
}
