package sdktest

import (
	"encoding/json"
	"testing"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/internal/contract"
)

func configOf(given config.Map) contract.Config {
	var made contract.Config
	for _, entry := range given.Entries() {
		made = append(made, contract.Entry(entry))
	}
	return made
}

func mapOf(given contract.Config) config.Map {
	var entries []config.Entry
	for _, entry := range given {
		entries = append(entries, config.Entry(entry))
	}
	return config.MapOfEntries(entries)
}

// bytesOf is a batch of records, as the host makes them.
func bytesOf(records []*sdk.Record) ([]byte, error) {
	var collector sdk.Collector
	for _, record := range records {
		if err := collector.Add(record); err != nil {
			return nil, err
		}
	}
	table := collector.Table()
	hasPosition := false
	offsets := make([]int64, len(records))
	for row, record := range records {
		if record.Kafka != nil {
			hasPosition = true
			offsets[row] = record.Kafka.Offset
		}
	}
	if hasPosition {
		table.Set(batch.Offset, batch.Int64s(offsets))
	}
	return table.Bytes()
}

// recordsOf are the records that are left in a batch.
func recordsOf(t testing.TB, bytes []byte) []*sdk.Record {
	t.Helper()
	if err := batch.Check(bytes); err != nil {
		t.Fatalf("the plugin made a batch that the host would refuse: %v", err)
	}
	table, err := batch.Open(bytes)
	if err != nil {
		t.Fatal(err)
	}
	var records []*sdk.Record
	for _, record := range sdk.NewRecords(table).All() {
		records = append(records, record)
	}
	return records
}

// SourceTask is a source task that is started.
type SourceTask struct {
	h    *Host
	task contract.SourceTask
	// Limits of the next polls.
	MaxRecords, MaxBytes int
	MaxWait              time.Duration
}

// StartSourceTask starts a task of a class that is registered, or says why it did not start.
func (h *Host) StartSourceTask(class string, given config.Map) (*SourceTask, error) {
	task, failed := contract.Guest.SourceTask(class)
	if failed == nil {
		failed = task.Start(configOf(given))
	}
	return &SourceTask{h, task, 1000, 1 << 20, 5 * time.Second}, raised(failed)
}

// SourceTask starts a task of a class that is registered; the test fails if it does not start.
func (h *Host) SourceTask(class string, given config.Map) *SourceTask {
	h.t.Helper()
	task, err := h.StartSourceTask(class, given)
	if err != nil {
		h.t.Fatal(err)
	}
	return task
}

// TryPoll polls once.
func (s *SourceTask) TryPoll() ([]*sdk.Record, error) {
	s.h.t.Helper()
	bytes, failed := s.task.Poll(contract.Limits{
		MaxRecords: uint32(s.MaxRecords), MaxBytes: uint32(s.MaxBytes), MaxWaitMs: uint32(s.MaxWait.Milliseconds()),
	})
	if failed != nil || bytes == nil {
		return nil, raised(failed)
	}
	return recordsOf(s.h.t, bytes), nil
}

// Poll polls once; the test fails if the poll does.
func (s *SourceTask) Poll() []*sdk.Record {
	s.h.t.Helper()
	records, err := s.TryPoll()
	if err != nil {
		s.h.t.Fatal(err)
	}
	return records
}

// Commit says that offsets are stored.
func (s *SourceTask) Commit() error { return raised(s.task.Commit()) }

// Committed says where records went: with Kafka, or nowhere without it.
func (s *SourceTask) Committed(records ...*sdk.Record) error {
	bytes, err := bytesOf(records)
	if err != nil {
		return err
	}
	return raised(s.task.Committed(bytes))
}

// Stop ends the task.
func (s *SourceTask) Stop() error { return raised(s.task.Stop()) }

// SinkTask is a sink task that is started.
type SinkTask struct {
	h    *Host
	task contract.SinkTask
}

// StartSinkTask starts a task of a class that is registered, or says why it did not start.
func (h *Host) StartSinkTask(class string, given config.Map) (*SinkTask, error) {
	task, failed := contract.Guest.SinkTask(class)
	if failed == nil {
		failed = task.Start(configOf(given))
	}
	return &SinkTask{h, task}, raised(failed)
}

// SinkTask starts a task of a class that is registered; the test fails if it does not start.
func (h *Host) SinkTask(class string, given config.Map) *SinkTask {
	h.t.Helper()
	task, err := h.StartSinkTask(class, given)
	if err != nil {
		h.t.Fatal(err)
	}
	return task
}

// Open assigns partitions and tells the task.
func (s *SinkTask) Open(partitions ...sdk.TopicPartition) error {
	s.h.assignment = append(s.h.assignment, partitions...)
	return raised(s.task.Open(partitionsOf(partitions)))
}

// Close takes partitions away and tells the task.
func (s *SinkTask) Close(partitions ...sdk.TopicPartition) error {
	return raised(s.task.Close(partitionsOf(partitions)))
}

func partitionsOf(list []sdk.TopicPartition) []contract.TopicPartition {
	var made []contract.TopicPartition
	for _, partition := range list {
		made = append(made, contract.TopicPartition(partition))
	}
	return made
}

// Put hands records over.
func (s *SinkTask) Put(records ...*sdk.Record) error {
	bytes, err := bytesOf(records)
	if err != nil {
		return err
	}
	return raised(s.task.Put(bytes))
}

// PreCommit makes what was taken durable; of these offsets it returns those that may be committed.
func (s *SinkTask) PreCommit(offsets ...sdk.TopicOffset) ([]sdk.TopicOffset, error) {
	list := make([]contract.TopicOffset, len(offsets))
	for i, at := range offsets {
		list[i] = contract.TopicOffset{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset}
	}
	all, some, failed := s.task.PreCommit(list)
	if failed != nil || all {
		return offsets, raised(failed)
	}
	safe := []sdk.TopicOffset{}
	for _, at := range some {
		safe = append(safe, sdk.TopicOffset{
			TopicPartition: sdk.TopicPartition{Topic: at.Topic, Partition: at.Partition}, Offset: at.Offset,
		})
	}
	return safe, nil
}

// Stop ends the task.
func (s *SinkTask) Stop() error { return raised(s.task.Stop()) }

// Connector is a connector of a source or sink that is registered.
type Connector struct {
	t         testing.TB
	connector contract.Connector
}

// Connector is the connector of a class that is registered, not started.
func (h *Host) Connector(class string) *Connector {
	h.t.Helper()
	if source, failed := contract.Guest.SourceConnector(class); failed == nil {
		return &Connector{h.t, source}
	}
	sink, failed := contract.Guest.SinkConnector(class)
	if failed != nil {
		h.t.Fatal(failed.Message)
	}
	return &Connector{h.t, sink}
}

// Validate is what the plugin's own checks find, by key.
func (c *Connector) Validate(given config.Map) (map[string][]string, error) {
	text, failed := c.connector.Validate(configOf(given))
	if failed != nil {
		return nil, raised(failed)
	}
	var list []struct {
		Name   string
		Errors []string
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		c.t.Fatal(err)
	}
	findings := map[string][]string{}
	for _, one := range list {
		findings[one.Name] = one.Errors
	}
	return findings, nil
}

// Start starts the connector.
func (c *Connector) Start(given config.Map) error { return raised(c.connector.Start(configOf(given))) }

// TaskConfigs are configurations for at most so many tasks.
func (c *Connector) TaskConfigs(maxTasks int) ([]config.Map, error) {
	list, failed := c.connector.TaskConfigs(uint32(maxTasks))
	var made []config.Map
	for _, one := range list {
		made = append(made, mapOf(one))
	}
	return made, raised(failed)
}

// Stop ends the connector.
func (c *Connector) Stop() error { return raised(c.connector.Stop()) }

// TestChain is a chain of transforms.
type TestChain struct {
	t     testing.TB
	chain contract.Chain
}

// Chain is a chain of transforms that are registered; the test fails if one cannot be made.
func Chain(t testing.TB, links ...sdk.Link) *TestChain {
	t.Helper()
	chain, at, err := sdk.NewChain(links...)
	if err != nil {
		t.Fatalf("link %d: %v", at, err)
	}
	return &TestChain{t, chain}
}

// Apply runs the chain over records: those that are left, and rows that failed.
func (c *TestChain) Apply(records ...*sdk.Record) ([]*sdk.Record, []RowError) {
	c.t.Helper()
	return c.apply(nil, records)
}

// ApplyTo runs the chain over some of the rows of a batch; the others pass unchanged.
func (c *TestChain) ApplyTo(rows []int, records ...*sdk.Record) ([]*sdk.Record, []RowError) {
	c.t.Helper()
	only := batch.NewBits(len(records), false)
	for _, row := range rows {
		only.Set(row, true)
	}
	return c.apply(only, records)
}

func (c *TestChain) apply(only batch.Bits, records []*sdk.Record) ([]*sdk.Record, []RowError) {
	c.t.Helper()
	return outcome(c.t, records, func(bytes []byte) (contract.Outcome, *contract.Error) {
		return c.chain.Apply(bytes, only, only != nil)
	})
}

func outcome(t testing.TB, records []*sdk.Record, run func([]byte) (contract.Outcome, *contract.Error)) ([]*sdk.Record, []RowError) {
	t.Helper()
	bytes, err := bytesOf(records)
	if err != nil {
		t.Fatal(err)
	}
	made, failed := run(bytes)
	if failed != nil {
		t.Fatal(raised(failed))
	}
	if made.Changed != nil {
		bytes = made.Changed
	}
	return recordsOf(t, bytes), rowErrors(made.Errors)
}

// TestConverter is a converter.
type TestConverter struct {
	t         testing.TB
	converter contract.Converter
}

// Converter is a converter that is registered; the test fails if it cannot be made.
func Converter(t testing.TB, class string, given config.Map, role sdk.Role) *TestConverter {
	t.Helper()
	made, failed := contract.Guest.Converter(class, configOf(given), uint8(role))
	if failed != nil {
		t.Fatal(raised(failed))
	}
	return &TestConverter{t, made}
}

// ToConnect converts bytes of records to data: the records that are left, and rows that failed.
func (c *TestConverter) ToConnect(records ...*sdk.Record) ([]*sdk.Record, []RowError) {
	c.t.Helper()
	return outcome(c.t, records, c.converter.ToConnect)
}

// FromConnect converts data of records to bytes.
func (c *TestConverter) FromConnect(records ...*sdk.Record) ([]*sdk.Record, []RowError) {
	c.t.Helper()
	return outcome(c.t, records, c.converter.FromConnect)
}

// Predicate is for which records a predicate that is registered holds, and rows that failed.
func Predicate(t testing.TB, class string, given config.Map, records ...*sdk.Record) ([]bool, []RowError) {
	t.Helper()
	made, failed := contract.Guest.Predicate(class, configOf(given))
	if failed != nil {
		t.Fatal(raised(failed))
	}
	bytes, err := bytesOf(records)
	if err != nil {
		t.Fatal(err)
	}
	verdict, failed := made.Test(bytes)
	if failed != nil {
		t.Fatal(raised(failed))
	}
	holds := make([]bool, len(records))
	for row := range records {
		holds[row] = batch.Bits(verdict.Holds).Get(row)
	}
	return holds, rowErrors(verdict.Errors)
}
