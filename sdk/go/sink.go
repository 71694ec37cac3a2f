package sdk

import (
	"slices"

	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/internal/contract"
)

// SinkTask takes records out. One call at a time. Records of one topic partition arrive in offset order; after a failure or
// a restart the same records may arrive again, so writing one twice must do no harm.
//
// It may implement [Stopper], [Opener], [Closer] and [PreCommitter], too.
type SinkTask interface {
	// Put takes the next records; there may be none. An error of kind retriable makes the host pass the same records again;
	// any other fails the task. Records that can never be written go to [SinkContext.Report] instead.
	Put(records *Records) error
	// Flush makes everything taken so far durable, and returns when it is. After an error nothing is committed, and records
	// come again from where the group's offsets are, or where the task has sought last.
	Flush() error
}

// Opener hears of partitions.
type Opener interface {
	// Open has partitions that are newly assigned. A sink that keeps its offsets in its target looks there now, and seeks to
	// where each of them goes on.
	Open(partitions []TopicPartition) error
}

// Closer hears of partitions that go away.
type Closer interface {
	// Close has partitions that are revoked or given up; their offsets have been asked for before.
	Close(partitions []TopicPartition) error
}

// PreCommitter says itself which offsets may be committed.
type PreCommitter interface {
	// PreCommit is asked in place of Flush. It makes everything before the offsets that it returns durable: those given, or
	// fewer. A sink that keeps its offsets in its target returns none: the group commits none for it.
	PreCommit(offsets []TopicOffset) ([]TopicOffset, error)
}

// SinkOffsetChange is what a user sets the offset of a partition to; nil resets it.
type SinkOffsetChange struct {
	TopicPartition
	Offset *uint64
}

// Sink is a sink that is registered. Its methods say what its connector does beyond the usual.
type Sink[P config.Pointer[C], C any] struct {
	connecting[P, C]
	task  func(P, *SinkContext) (SinkTask, error)
	alter func(P, []SinkOffsetChange) (bool, error)
}

// RegisterSink adds a sink connector to this component. task makes a started task of its configuration; both are types of
// the plugin's own.
//
// Without more, the connector has as many tasks as it may, each with its own configuration: Kafka deals the partitions out.
func RegisterSink[P config.Pointer[C], C any, T SinkTask](plugin Plugin, task func(P, *SinkContext) (T, error)) *Sink[P, C] {
	sink := &Sink[P, C]{task: func(config P, context *SinkContext) (SinkTask, error) { return task(config, context) }}
	sink.many = true
	register("sink", plugin, keysOf[P](), sink)
	return sink
}

// Connector gives the sink a connector of its own.
func (s *Sink[P, C]) Connector(start func(P, *ConnectorContext) (Connector, error)) *Sink[P, C] {
	s.connect = start
	return s
}

// Tasks makes configurations for at most so many tasks.
func (s *Sink[P, C]) Tasks(configs func(config P, maxTasks int) ([]config.Map, error)) *Sink[P, C] {
	s.tasks = configs
	return s
}

// Validate checks beyond the keys' own rules, before anything is started. config is nil while a key cannot be read, which
// the host tells the user by itself.
func (s *Sink[P, C]) Validate(check func(config P, given config.Map, findings *Findings) error) *Sink[P, C] {
	s.validate = check
	return s
}

// AlterOffsets accepts or refuses offsets that a user sets. It returns whether nothing outside the worker has to follow.
func (s *Sink[P, C]) AlterOffsets(accept func(config P, changes []SinkOffsetChange) (bool, error)) *Sink[P, C] {
	s.alter = accept
	return s
}

func (s *Sink[P, C]) newSinkConnector() contract.SinkConnector {
	return &sinkConnector[P, C]{connectorOf[P, C]{of: &s.connecting}, s}
}

func (s *Sink[P, C]) newSinkTask() contract.SinkTask { return &sinkTask[P, C]{of: s} }

type sinkConnector[P config.Pointer[C], C any] struct {
	connectorOf[P, C]
	sink *Sink[P, C]
}

func (c *sinkConnector[P, C]) AlterOffsets(given contract.Config, offsets []contract.NewSinkOffset) (done bool, failed *contract.Error) {
	err := func() (err error) {
		defer catch(&err, KindFatal)
		if c.sink.alter == nil {
			return nil
		}
		parsed, err := parse[P](mapOf(given))
		if err != nil {
			return err
		}
		changes := make([]SinkOffsetChange, len(offsets))
		for i, offset := range offsets {
			changes[i].TopicPartition = TopicPartition(offset.Partition)
			if offset.Offset != nil {
				changes[i].Offset = &offset.Offset.Offset
			}
		}
		done, err = c.sink.alter(parsed, changes)
		return err
	}()
	return done, lower(err)
}

type sinkTask[P config.Pointer[C], C any] struct {
	of   *Sink[P, C]
	task SinkTask
}

// with runs work on the started task.
func (t *sinkTask[P, C]) with(work func(SinkTask) error) *contract.Error {
	return lower(func() (err error) {
		defer catch(&err, KindFatal)
		if t.task == nil {
			return notStarted()
		}
		return work(t.task)
	}())
}

func (t *sinkTask[P, C]) Start(given contract.Config) *contract.Error {
	return lower(func() (err error) {
		defer catch(&err, KindFatal)
		parsed, err := parse[P](mapOf(given))
		if err != nil {
			return err
		}
		t.task, err = t.of.task(parsed, &SinkContext{})
		if err != nil {
			t.task = nil
		}
		return err
	}())
}

func (t *sinkTask[P, C]) Open(partitions []contract.TopicPartition) *contract.Error {
	return t.with(func(task SinkTask) error {
		if opener, ok := task.(Opener); ok {
			return opener.Open(partitionsOf(partitions))
		}
		return nil
	})
}

func (t *sinkTask[P, C]) Put(records []byte) *contract.Error {
	return t.with(func(task SinkTask) error {
		table, err := batch.Open(records)
		if err != nil {
			return Fatal("read the batch: %w", err)
		}
		return task.Put(&Records{table: table})
	})
}

func (t *sinkTask[P, C]) PreCommit(offsets []contract.TopicOffset) (all bool, some []contract.TopicOffset, failed *contract.Error) {
	failed = t.with(func(task SinkTask) error {
		committer, ok := task.(PreCommitter)
		if !ok {
			all = true
			return task.Flush()
		}
		safe, err := committer.PreCommit(offsetsOf(offsets))
		some = lowerOffsets(safe)
		all = slices.Equal(some, offsets)
		return err
	})
	return all, some, failed
}

func (t *sinkTask[P, C]) Close(partitions []contract.TopicPartition) *contract.Error {
	return t.with(func(task SinkTask) error {
		if closer, ok := task.(Closer); ok {
			return closer.Close(partitionsOf(partitions))
		}
		return nil
	})
}

func (t *sinkTask[P, C]) Stop() *contract.Error {
	return lower(func() (err error) {
		defer catch(&err, KindFatal)
		task := t.task
		t.task = nil
		return stop(task)
	}())
}
