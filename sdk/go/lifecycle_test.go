package sdk_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/sdktest"
)

type shareConfig struct {
	tables []string
	low    int
	high   int
	all    config.Map
}

func (c *shareConfig) Keys(keys *config.Keys) {
	keys.List(&c.tables, "tables").Default("a,b,c").NonEmptyList()
	keys.Int(&c.low, "low").Default(0).Check(func() error {
		if c.low%2 != 0 {
			return errors.New("expected an even number")
		}
		return nil
	})
	keys.Int(&c.high, "high").Default(10)
	keys.Originals(&c.all)
}

// shareTask ends transactions, hears of commits, and panics when it is told to.
type shareTask struct {
	config    *shareConfig
	context   *sdk.SourceContext
	committed []sdk.CommittedRow
	commits   int
}

func (t *shareTask) Poll(p *sdk.Poll) error {
	if t.config.all.Get("panic") == "yes" {
		panic("told to")
	}
	for !p.Full() {
		if err := p.Add(&sdk.Record{Topic: "t", Value: "12345", SourceOffset: sdk.Offset{"n": p.Len()}}); err != nil {
			return err
		}
	}
	if transaction := t.context.Transaction(); transaction != nil {
		transaction.CommitAfter(0)
		transaction.Abort()
	}
	return nil
}

func (t *shareTask) Committed(rows *batch.Table) error {
	t.committed = append(t.committed, sdk.CommittedRows(rows)...)
	return nil
}

func (t *shareTask) Commit() error {
	t.commits++
	return nil
}

func (t *shareTask) Stop() error {
	return sdk.Fatal("stopped after %d commits and %d rows", t.commits, len(t.committed))
}

func init() {
	sdk.RegisterSource(sdk.Plugin{Class: "org.example.ShareSource"}, func(config *shareConfig, context *sdk.SourceContext) (*shareTask, error) {
		return &shareTask{config: config, context: context}, nil
	}).Tasks(func(c *shareConfig, maxTasks int) ([]config.Map, error) {
		var configs []config.Map
		for _, table := range c.tables[:min(maxTasks, len(c.tables))] {
			configs = append(configs, c.all.With("tables", table))
		}
		return configs, nil
	}).Validate(func(c *shareConfig, _ config.Map, findings *sdk.Findings) error {
		if c != nil && c.low > c.high {
			findings.Add("low", "low is above high")
		}
		return nil
	})
	sdk.RegisterSink(sdk.Plugin{Class: "org.example.PlainSink"}, func(*config.None, *sdk.SinkContext) (plainSink, error) {
		return plainSink{}, nil
	})
}

type plainSink struct{}

func (plainSink) Put(records *sdk.Records) error { return nil }
func (plainSink) Flush() error                   { return sdk.Retriable("not yet") }

func TestAConnectorDividesTheWork(t *testing.T) {
	host := sdktest.New(t)
	connector := host.Connector("org.example.ShareSource")
	if _, err := connector.TaskConfigs(2); err == nil || err.(*sdk.Error).Class != "java.lang.IllegalStateException" {
		t.Error(err)
	}
	if err := connector.Start(config.MapOf("tables", "x,y,z", "other", "kept")); err != nil {
		t.Fatal(err)
	}
	configs, err := connector.TaskConfigs(2)
	if err != nil || len(configs) != 2 || configs[1].Get("tables") != "y" || configs[1].Get("other") != "kept" {
		t.Error(configs, err)
	}
	if err := connector.Stop(); err != nil {
		t.Error(err)
	}
	sink := host.Connector("org.example.PlainSink")
	if err := sink.Start(config.MapOf("any", "thing")); err != nil {
		t.Fatal(err)
	}
	if configs, err := sink.TaskConfigs(3); err != nil || len(configs) != 3 || configs[2].Get("any") != "thing" {
		t.Error(configs, err)
	}
}

func TestFindingsAreThoseOfKeysAndOfTheConnector(t *testing.T) {
	host := sdktest.New(t)
	connector := host.Connector("org.example.ShareSource")
	for given, expected := range map[string]map[string][]string{
		"2":  {},
		"12": {"low": {"low is above high"}},
		"11": {"low": {"Invalid value 11 for configuration low: expected an even number", "low is above high"}},
		"x":  {}, // The host says that.
	} {
		findings, err := connector.Validate(config.MapOf("low", given))
		if err != nil || !reflect.DeepEqual(findings, expected) {
			t.Errorf("%s: %v, %v", given, findings, err)
		}
	}
}

func TestATaskBringsWhatAPollMayBringAndEndsItsTransactions(t *testing.T) {
	host := sdktest.New(t)
	host.LetEndTransactions()
	task := host.SourceTask("org.example.ShareSource", config.Map{})
	task.MaxRecords, task.MaxBytes = 100, 23
	if records := task.Poll(); len(records) != 5 {
		t.Errorf("%d records", len(records))
	}
	if ends := fmt.Sprint(host.Boundaries()); ends != "[{0 false} {-1 true}]" {
		t.Error(ends)
	}
	partition := int32(1)
	if err := task.Committed(&sdk.Record{Topic: "t", Partition: &partition, Kafka: &sdk.Position{Offset: 3}}); err != nil {
		t.Error(err)
	}
	if err := task.Commit(); err != nil {
		t.Error(err)
	}
	if err := task.Stop(); err == nil || err.Error() != "stopped after 1 commits and 1 rows" {
		t.Error(err)
	}
}

func TestATaskThatPanicsReportsItAndCanBeAskedAgain(t *testing.T) {
	host := sdktest.New(t)
	task := host.SourceTask("org.example.ShareSource", config.MapOf("panic", "yes"))
	for range 2 {
		_, err := task.TryPoll()
		own := err.(*sdk.Error)
		if own.Kind != sdk.KindFatal || own.Message != "panic: told to" || own.Class != sdk.ConnectException {
			t.Errorf("%+v", own)
		}
	}
}

func TestAFlushThatFailsCommitsNothing(t *testing.T) {
	host := sdktest.New(t)
	task := host.SinkTask("org.example.PlainSink", config.Map{})
	if _, err := task.PreCommit(sdk.TopicOffset{}); err == nil || err.(*sdk.Error).Kind != sdk.KindRetriable {
		t.Error(err)
	}
}
