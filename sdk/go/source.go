package sdk

import (
	"time"

	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/internal/contract"
)

// SourceTask brings records in. One call at a time.
//
// It may implement [Stopper], [Committer] and [RecordsCommitter], too.
type SourceTask interface {
	// Poll brings the next records: single ones with [Poll.Add], or a table of columns. It may wait for them with
	// [Poll.Wait]. Each record carries its source partition and offset; after a failure the host starts a new task, and the
	// offsets stored by then are those of records that have safely arrived.
	//
	// An error of kind retriable counts as nothing, and the next poll follows; any other ends the task.
	Poll(p *Poll) error
}

// Committer hears of stored offsets.
type Committer interface {
	// Commit is called when the offsets of everything that ended before are stored. Its error is logged only.
	Commit() error
}

// RecordsCommitter hears of each record. It costs a call per batch.
type RecordsCommitter interface {
	// Committed has rows that have ended, in the order of Poll: topic, partition and offset of each (no offset for a record
	// that was filtered or skipped). See [CommittedRows]. Its error is logged only.
	Committed(rows *batch.Table) error
}

// CommittedRow is where a row of a source went.
type CommittedRow struct {
	Topic string
	// Partition and Offset are nil for a record that was filtered or skipped.
	Partition *int32
	Offset    *int64
}

// CommittedRows are the rows of a call of Committed.
func CommittedRows(table *batch.Table) []CommittedRow {
	rows := make([]CommittedRow, table.Rows)
	for row := range rows {
		rows[row].Topic = string([]byte(table.Topic(row)))
		if number, ok := table.Int(batch.Partition, row); ok {
			partition := int32(number)
			rows[row].Partition = &partition
		}
		if number, ok := table.Int(batch.Offset, row); ok {
			rows[row].Offset = &number
		}
	}
	return rows
}

// Support is what a connector says about a guarantee.
type Support uint8

// The answers.
const (
	Supported Support = iota
	Unsupported
	Unknown
)

// OffsetChange is what a user sets the offset of a source partition to; nil resets it.
type OffsetChange struct{ Partition, Offset Offset }

// Source is a source that is registered. Its methods say what its connector does beyond the usual.
type Source[P config.Pointer[C], C any] struct {
	connecting[P, C]
	task        func(P, *SourceContext) (SourceTask, error)
	exactlyOnce func(P) (Support, error)
	boundaries  func(P) (Support, error)
	alter       func(P, []OffsetChange) (bool, error)
}

// RegisterSource adds a source connector to this component. task makes a started task of its configuration; both are
// types of the plugin's own.
//
// Without more, the connector has one task with its own configuration.
func RegisterSource[P config.Pointer[C], C any, T SourceTask](plugin Plugin, task func(P, *SourceContext) (T, error)) *Source[P, C] {
	source := &Source[P, C]{task: func(config P, context *SourceContext) (SourceTask, error) {
		return task(config, context)
	}}
	one := register("source", plugin, keysOf[P](), source)
	var none T
	_, one.committed = any(none).(RecordsCommitter)
	return source
}

// Connector gives the source a connector of its own.
func (s *Source[P, C]) Connector(start func(P, *ConnectorContext) (Connector, error)) *Source[P, C] {
	s.connect = start
	return s
}

// Tasks divides the work among at most so many tasks: for connectors that need nothing but their configuration for that.
func (s *Source[P, C]) Tasks(configs func(config P, maxTasks int) ([]config.Map, error)) *Source[P, C] {
	s.tasks = configs
	return s
}

// Validate checks beyond the keys' own rules, before anything is started. config is nil while a key cannot be read, which
// the host tells the user by itself.
func (s *Source[P, C]) Validate(check func(config P, given config.Map, findings *Findings) error) *Source[P, C] {
	s.validate = check
	return s
}

// ExactlyOnce says whether each record arrives exactly once with a configuration: whether offsets describe a place in the
// outside system from which the same records come again.
func (s *Source[P, C]) ExactlyOnce(support func(config P) (Support, error)) *Source[P, C] {
	s.exactlyOnce = support
	return s
}

// TransactionBoundaries says whether tasks say with a configuration where transactions end: see [SourceContext.Transaction].
func (s *Source[P, C]) TransactionBoundaries(support func(config P) (Support, error)) *Source[P, C] {
	s.boundaries = support
	return s
}

// AlterOffsets accepts or refuses offsets that a user sets. It returns whether nothing outside the worker has to follow.
func (s *Source[P, C]) AlterOffsets(accept func(config P, changes []OffsetChange) (bool, error)) *Source[P, C] {
	s.alter = accept
	return s
}

func (s *Source[P, C]) newSourceConnector() contract.SourceConnector {
	return &sourceConnector[P, C]{connectorOf[P, C]{of: &s.connecting}, s}
}

func (s *Source[P, C]) newSourceTask() contract.SourceTask { return &sourceTask[P, C]{of: s} }

type sourceConnector[P config.Pointer[C], C any] struct {
	connectorOf[P, C]
	source *Source[P, C]
}

func (c *sourceConnector[P, C]) ExactlyOnceSupport(given contract.Config) (uint8, *contract.Error) {
	return support(c.source.exactlyOnce, given, Unknown)
}

func (c *sourceConnector[P, C]) CanDefineTransactionBoundaries(given contract.Config) (uint8, *contract.Error) {
	return support(c.source.boundaries, given, Unsupported)
}

func support[P config.Pointer[C], C any](ask func(P) (Support, error), given contract.Config, usual Support) (uint8, *contract.Error) {
	answer := usual
	err := func() (err error) {
		defer catch(&err, KindFatal)
		if ask == nil {
			return nil
		}
		parsed, err := parse[P](mapOf(given))
		if err != nil {
			return err
		}
		answer, err = ask(parsed)
		return err
	}()
	return uint8(answer), lower(err)
}

func (c *sourceConnector[P, C]) AlterOffsets(given contract.Config, offsets []contract.NewOffset) (done bool, failed *contract.Error) {
	err := func() (err error) {
		defer catch(&err, KindFatal)
		if c.source.alter == nil {
			return nil
		}
		parsed, err := parse[P](mapOf(given))
		if err != nil {
			return err
		}
		changes := make([]OffsetChange, len(offsets))
		for i, offset := range offsets {
			if changes[i].Partition, err = offsetOf(offset.Partition); err != nil {
				return err
			}
			if offset.Offset != nil {
				if changes[i].Offset, err = offsetOf(*offset.Offset); err != nil {
					return err
				}
			}
		}
		done, err = c.source.alter(parsed, changes)
		return err
	}()
	return done, lower(err)
}

type sourceTask[P config.Pointer[C], C any] struct {
	of   *Source[P, C]
	task SourceTask
}

func (t *sourceTask[P, C]) Start(given contract.Config) *contract.Error {
	return lower(func() (err error) {
		defer catch(&err, KindFatal)
		parsed, err := parse[P](mapOf(given))
		if err != nil {
			return err
		}
		t.task, err = t.of.task(parsed, &SourceContext{})
		if err != nil {
			t.task = nil
		}
		return err
	}())
}

func (t *sourceTask[P, C]) Poll(limits contract.Limits) (made []byte, failed *contract.Error) {
	err := func() (err error) {
		defer catch(&err, KindFatal)
		if t.task == nil {
			return notStarted()
		}
		poll := &Poll{
			MaxRecords: int(limits.MaxRecords), MaxBytes: int(limits.MaxBytes),
			MaxWait: time.Duration(limits.MaxWaitMs) * time.Millisecond,
		}
		if err := t.task.Poll(poll); err != nil {
			return err
		}
		if made, err = poll.batch(); err != nil {
			return Fatal("write the batch: %w", err)
		}
		return nil
	}()
	handOver(err == nil)
	return made, lower(err)
}

func (t *sourceTask[P, C]) Committed(rows []byte) *contract.Error {
	return lower(func() (err error) {
		defer catch(&err, KindFatal)
		committer, ok := t.task.(RecordsCommitter)
		if !ok {
			return nil
		}
		table, err := batch.Open(rows)
		if err != nil {
			return Fatal("read the batch: %w", err)
		}
		return committer.Committed(table)
	}())
}

func (t *sourceTask[P, C]) Commit() *contract.Error {
	return lower(func() (err error) {
		defer catch(&err, KindFatal)
		if committer, ok := t.task.(Committer); ok {
			return committer.Commit()
		}
		return nil
	}())
}

func (t *sourceTask[P, C]) Stop() *contract.Error {
	return lower(func() (err error) {
		defer catch(&err, KindFatal)
		task := t.task
		t.task = nil
		return stop(task)
	}())
}
