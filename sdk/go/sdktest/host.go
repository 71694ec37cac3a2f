// Package sdktest stands in for the host in tests of plugins, which run natively.
//
// [New] takes the place of the host until the test ends: it holds files, stored offsets and the clock of waits in memory,
// and shows afterwards what the plugin logged and asked for. Plugins are driven through the same code as by the host, and
// every batch that they make is checked as the host checks it.
//
// Tests that use it must not run in parallel with each other.
package sdktest

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/internal/contract"
)

// Host is a host in memory.
type Host struct {
	t            testing.TB
	log          []Line
	waits, rests []time.Duration
	stopping     bool
	files        map[string]*File
	databases    map[string]*Database
	offsets      map[string]string
	transactions bool
	boundaries   []Boundary
	assignment   []sdk.TopicPartition
	sink         SinkRequests
	refused      error
	reconfigured int
	raised       []error
	metrics      map[string]float64
	progress     map[string]sdk.Progress
	lease        lease
}

// Line is a line that was logged.
type Line struct {
	Level   sdk.Level
	Message string
}

// Boundary is an end of a transaction that a source task has asked for.
type Boundary struct {
	// Behind is the row that is the last of the transaction, -1 for all that the poll returned.
	Behind int64
	Abort  bool
}

// SinkRequests are what a sink task has asked for.
type SinkRequests struct {
	// Seeks, newest last.
	Seeks [][]sdk.TopicOffset
	// Paused are the partitions that are paused now.
	Paused []sdk.TopicPartition
	// Timeout is the shortened time until the next Put, 0 if there is none.
	Timeout time.Duration
	// Commits is how often a commit was asked for.
	Commits int
	// Reported are rows that can never be written.
	Reported []RowError
	// Written are records written to topics, by the keys that name the topics.
	Written map[string][]sdk.TopicReport
}

// RowError is a row that has failed.
type RowError struct {
	Row int
	// Link of the chain in which it failed.
	Link           int
	Kind           sdk.Kind
	Class, Message string
	// Field is empty if none is at fault.
	Field string
}

// New is the host until the test ends.
func New(t testing.TB) *Host {
	t.Helper()
	if contract.Host != nil {
		t.Fatal("there is a host already: tests with sdktest cannot run in parallel")
	}
	host := &Host{
		t: t, files: map[string]*File{}, databases: map[string]*Database{}, offsets: map[string]string{},
		metrics: map[string]float64{}, progress: map[string]sdk.Progress{}, lease: lease{kept: map[string][]byte{}},
	}
	contract.Host = runtime{host}
	t.Cleanup(func() { contract.Host = nil })
	return host
}

// StoreOffset stores an offset of a source partition, as if the worker had stored it before.
func (h *Host) StoreOffset(partition, offset sdk.Offset) {
	h.t.Helper()
	key, err := json.Marshal(partition)
	if err == nil {
		var value []byte
		if value, err = json.Marshal(offset); err == nil {
			h.offsets[string(key)] = string(value)
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// Stop has every later wait return at once, because the task is to stop.
func (h *Host) Stop() { h.stopping = true }

// LetEndTransactions has the source task end its transactions itself.
func (h *Host) LetEndTransactions() { h.transactions = true }

// Assign assigns partitions to the sink task.
func (h *Host) Assign(partitions ...sdk.TopicPartition) { h.assignment = partitions }

// RefuseReports tolerates no errors: every report of a sink fails with this one.
func (h *Host) RefuseReports(err error) { h.refused = err }

// Log is what was logged since the last call.
func (h *Host) Log() []Line { return take(&h.log) }

// Waits are how long the plugin has waited since the last call, wait by wait. No time passes in fact.
func (h *Host) Waits() []time.Duration { return take(&h.waits) }

// Rests are how long a task has said since the last call that there will be nothing.
func (h *Host) Rests() []time.Duration { return take(&h.rests) }

// Boundaries are the ends of transactions that the source task has asked for since the last call.
func (h *Host) Boundaries() []Boundary { return take(&h.boundaries) }

// Sink is what the sink task has asked for since the last call.
func (h *Host) Sink() SinkRequests {
	requests := h.sink
	h.sink = SinkRequests{}
	return requests
}

// Reconfigurations is how often the connector has asked for task configurations to be made anew since the last call.
func (h *Host) Reconfigurations() int {
	count := h.reconfigured
	h.reconfigured = 0
	return count
}

// Raised are the errors that the connector has raised since the last call.
func (h *Host) Raised() []error { return take(&h.raised) }

// Metric is the value of a counter or gauge.
func (h *Host) Metric(name string) float64 { return h.metrics[name] }

// Progress is how far the task has come with the pieces of work that are under way.
func (h *Host) Progress() map[string]sdk.Progress { return h.progress }

func take[T any](list *[]T) []T {
	taken := *list
	*list = nil
	return taken
}

// lower is an error as the contract has it.
func lower(err error) *contract.Error {
	var own *sdk.Error
	if !errors.As(err, &own) {
		own = sdk.Fatal("%s", err.Error())
	}
	return &contract.Error{Kind: uint8(own.Kind), Class: own.Class, Message: own.Message, Causes: own.Causes}
}

// raised is an error as the plugin's author would see it.
func raised(failed *contract.Error) error {
	if failed == nil {
		return nil
	}
	return &sdk.Error{Kind: sdk.Kind(failed.Kind), Class: failed.Class, Message: failed.Message, Causes: failed.Causes}
}

func rowErrors(list []contract.RowError) []RowError {
	var made []RowError
	for _, one := range list {
		row := RowError{
			Row: int(one.Row), Link: int(one.Link), Kind: sdk.Kind(one.Kind), Class: one.Class, Message: one.Message,
		}
		if one.Field != nil {
			row.Field = *one.Field
		}
		made = append(made, row)
	}
	return made
}
