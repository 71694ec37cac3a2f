package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func init() {
	sdk.RegisterSource(sdk.Plugin{
		Class: "org.millstream.kit.KitSourceConnector", TaskClass: "org.millstream.kit.KitSourceTask",
		Aliases: []string{"Kit"}, Version: version, Doc: "Makes the records that its configuration names.",
		WantsLease: true,
	}, newSourceTask).
		Connector(newSourceConnector).
		Validate(func(_ *SourceConfig, given config.Map, findings *sdk.Findings) error {
			sdk.Infof("validate")
			if err := static(given, "validate"); err != nil {
				return err
			}
			if lowAboveHigh(given) {
				findings.Add("low", "low is above high")
			}
			return nil
		}).
		ExactlyOnce(func(config *SourceConfig) (sdk.Support, error) {
			sdk.Infof("exactly-once")
			return sdk.Supported, config.actions.run("exactly-once", nil)
		}).
		TransactionBoundaries(func(config *SourceConfig) (sdk.Support, error) {
			sdk.Infof("boundaries")
			return sdk.Supported, config.actions.run("boundaries", nil)
		}).
		AlterOffsets(func(config *SourceConfig, changes []sdk.OffsetChange) (bool, error) {
			for _, change := range changes {
				sdk.Infof("alter-offsets %s %s", show(change.Partition), showOffset(change.Offset))
			}
			if err := config.actions.run("alter-offsets", nil); err != nil {
				return false, err
			}
			for _, change := range changes {
				if change.Offset != nil && change.Offset["n"] == nil {
					return false, sdk.Fatal("offset has no n")
				}
			}
			return true, nil
		})
}

func showOffset(offset sdk.Offset) string {
	if offset == nil {
		return "null"
	}
	return show(offset)
}

// static runs the actions of a call that knows its configuration as the user wrote it only.
func static(given config.Map, place string) error {
	actions, err := parseActions(given.Get("do"))
	if err != nil {
		return err
	}
	return actions.run(place, nil)
}

func lowAboveHigh(given config.Map) bool {
	read := func(key string, usual int) (int, bool) {
		if _, ok := given.Lookup(key); !ok {
			return usual, true
		}
		number, err := strconv.Atoi(strings.TrimSpace(given.Get(key)))
		return number, err == nil
	}
	low, lowOK := read("low", 0)
	high, highOK := read("high", 10)
	return lowOK && highOK && high < low
}

type sourceConnector struct {
	config  *SourceConfig
	context *sdk.ConnectorContext
}

// connectorAct does what connectors of both kinds can do.
func connectorAct(actions *Actions, context *sdk.ConnectorContext, place string) error {
	return actions.run(place, func(words []string) error {
		switch {
		case words[0] == "reconfigure":
			context.RequestTaskReconfiguration()
		case words[0] == "raise":
			context.RaiseError(sdk.Fatal("raised on purpose"))
		case words[0] == "configs-rest" && len(words) == 2:
			ms, err := number(words[1])
			sdk.Rest(time.Duration(ms) * time.Millisecond)
			return err
		default:
			return unknown(words)
		}
		return nil
	})
}

// numbered is the connector's own configuration, so many times, with the task's number.
func numbered(originals config.Map, count int) (configs []config.Map) {
	for task := range count {
		configs = append(configs, originals.With("task", strconv.Itoa(task)))
	}
	return configs
}

func newSourceConnector(config *SourceConfig, context *sdk.ConnectorContext) (sdk.Connector, error) {
	sdk.Infof("connector-start")
	if err := connectorAct(config.actions, context, "connector-start"); err != nil {
		return nil, err
	}
	if lowAboveHigh(config.originals) {
		return nil, sdk.BadConfig("low is above high")
	}
	return &sourceConnector{config, context}, nil
}

func (c *sourceConnector) TaskConfigs(maxTasks int) ([]config.Map, error) {
	sdk.Infof("task-configs %d", maxTasks)
	if err := connectorAct(c.config.actions, c.context, "task-configs"); err != nil {
		return nil, err
	}
	return numbered(c.config.originals, min(maxTasks, c.config.tasks)), nil
}

func (c *sourceConnector) Stop() error {
	sdk.Infof("connector-stop")
	return connectorAct(c.config.actions, c.context, "connector-stop")
}

type sourceTask struct {
	config    *SourceConfig
	context   *sdk.SourceContext
	next      int
	sentTypes bool
	// A file that is being read, the position behind the last line that was sent, and what was read behind that.
	file     *sdk.File
	position int64
	unsent   []byte
}

var counter = sdk.Offset{"kit": "counter"}

func newSourceTask(config *SourceConfig, context *sdk.SourceContext) (*sourceTask, error) {
	sdk.Infof("start")
	task := &sourceTask{config: config, context: context}
	if _, err := task.act("start", nil); err != nil {
		return nil, err
	}
	sdk.Infof("%s", config.seen())
	if config.mode == "counter" {
		stored, err := context.Offset(counter)
		if err != nil {
			return nil, err
		}
		if n, ok := stored["n"].(int64); ok {
			task.next = int(n) + 1
		}
		sdk.Infof("from %d", task.next)
	}
	return task, nil
}

// act does what is to be done in a call; in a poll it may be its answer.
func (t *sourceTask) act(place string, p *sdk.Poll) (answered bool, err error) {
	return answered, t.config.actions.run(place, func(words []string) error {
		switch words[0] {
		case "offset":
			offset, err := t.context.Offset(counter)
			if err == nil {
				sdk.Infof("offset %s", showOffset(offset))
			}
			return err
		case "http":
			return get(t.config.url)
		case "commit", "abort", "commit-after", "abort-after":
			return t.endTransaction(words)
		}
		if p == nil {
			return unknown(words)
		}
		answered = true
		switch {
		case words[0] == "rest" && len(words) == 2:
			ms, err := number(words[1])
			sdk.Rest(time.Duration(ms) * time.Millisecond)
			return err
		case words[0] == "nothing":
			return nil
		case words[0] == "bad" || words[0] == "wrong":
			return p.Add(&sdk.Record{Topic: t.config.topic, ValueSchema: data.Of(data.Int32), Value: "seven"})
		case words[0] == "huge" && len(words) == 2:
			size, err := number(words[1])
			if err != nil {
				return err
			}
			return p.Add(sdk.NewRecord(t.config.topic, strings.Repeat("x", int(size))))
		}
		return unknown(words)
	})
}

func (t *sourceTask) endTransaction(words []string) error {
	transaction := t.context.Transaction()
	if transaction == nil {
		sdk.Infof("no transactions")
		return nil
	}
	row := 0
	if len(words) == 2 {
		number, err := number(words[1])
		if err != nil {
			return err
		}
		row = int(number)
	}
	switch words[0] {
	case "commit":
		transaction.Commit()
	case "abort":
		transaction.Abort()
	case "commit-after":
		transaction.CommitAfter(row)
	case "abort-after":
		transaction.AbortAfter(row)
	}
	return nil
}

func (t *sourceTask) Poll(p *sdk.Poll) error {
	if answered, err := t.act("poll", p); answered || err != nil {
		return err
	}
	switch t.config.mode {
	case "types":
		if !t.sentTypes {
			t.sentTypes = true
			for _, record := range everyType(t.config.topic) {
				if err := p.Add(record); err != nil {
					return err
				}
			}
		}
		return nil
	case "lines":
		return t.readLines(p)
	}
	until := min(t.config.records, t.next+min(t.config.perPoll, p.MaxRecords))
	if until <= t.next {
		p.Wait(20 * time.Millisecond)
		return nil
	}
	for ; t.next < until; t.next++ {
		if err := p.Add(&sdk.Record{
			Topic: t.config.topic, KeySchema: data.Of(data.String), Key: fmt.Sprintf("k%d", t.next),
			ValueSchema: data.Of(data.Int64), Value: int64(t.next),
			SourcePartition: counter, SourceOffset: sdk.Offset{"n": t.next},
		}); err != nil {
			return err
		}
	}
	return nil
}

func (t *sourceTask) readLines(p *sdk.Poll) error {
	name := orNull(t.config.file)
	partition := sdk.Offset{"file": name}
	if t.file == nil {
		file, err := sdk.OpenFile("file")
		if err != nil {
			return err
		}
		if file == nil {
			return sdk.Retriable("there is no file %s", name)
		}
		stored, err := t.context.Offset(partition)
		if err != nil {
			return err
		}
		t.position, _ = stored["position"].(int64)
		if _, err := file.Seek(t.position, io.SeekStart); err != nil {
			return err
		}
		t.file = file
	}
	more, err := t.file.ReadUpTo(1 << 16)
	if err != nil {
		return err
	}
	t.unsent = append(t.unsent, more...)
	for p.Len() < t.config.perPoll {
		line, rest, ok := bytes.Cut(t.unsent, []byte{'\n'})
		if !ok {
			break
		}
		t.position += int64(len(line) + 1)
		if err := p.Add(&sdk.Record{
			Topic: t.config.topic, Value: strings.ToValidUTF8(string(line), "\uFFFD"),
			SourcePartition: partition, SourceOffset: sdk.Offset{"position": t.position},
		}); err != nil {
			return err
		}
		t.unsent = rest
	}
	if p.Len() == 0 && t.file.EndsRest() {
		sdk.Rest(time.Second)
	}
	return nil
}

func (t *sourceTask) Committed(rows *batch.Table) error {
	var places []string
	for _, row := range sdk.CommittedRows(rows) {
		if row.Partition != nil && row.Offset != nil {
			places = append(places, fmt.Sprintf("%s-%d@%d", row.Topic, *row.Partition, *row.Offset))
		} else {
			places = append(places, row.Topic+"-none")
		}
	}
	sdk.Infof("committed %s", strings.Join(places, " "))
	_, err := t.act("committed", nil)
	return err
}

func (t *sourceTask) Commit() error {
	sdk.Infof("commit")
	_, err := t.act("commit", nil)
	return err
}

func (t *sourceTask) Stop() error {
	sdk.Infof("stop")
	_, err := t.act("stop", nil)
	return err
}
