package main

import (
	"fmt"
	"strings"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
)

func init() {
	sdk.RegisterSink(sdk.Plugin{
		Class: "org.millstream.kit.KitSinkConnector", Version: version,
		Doc: "Writes down the records that it is given.", WantsLease: true,
	}, newSinkTask).
		Connector(newSinkConnector).
		Validate(func(_ *SinkConfig, given config.Map, _ *sdk.Findings) error {
			sdk.Infof("validate")
			return static(given, "validate")
		}).
		AlterOffsets(func(config *SinkConfig, changes []sdk.SinkOffsetChange) (bool, error) {
			for _, change := range changes {
				offset := "null"
				if change.Offset != nil {
					offset = fmt.Sprint(*change.Offset)
				}
				sdk.Infof("alter-offsets %v %s", change.TopicPartition, offset)
			}
			return true, config.actions.run("alter-offsets", nil)
		})
}

// SinkConfig is the configuration of connector and task alike.
type SinkConfig struct {
	file, why, url, db *string
	replication        int16
	do                 string
	actions            *Actions
	originals          config.Map
}

// Keys declares the keys.
func (c *SinkConfig) Keys(keys *config.Keys) {
	keys.OptString(&c.file, "file").Importance(config.High).Opens(config.AppendFile())
	keys.OptString(&c.why, "why").Opens(config.Topic("${connector}-why", "why.replication"))
	keys.Short(&c.replication, "why.replication").Default(1)
	keys.OptString(&c.url, "url").Opens(config.HTTPURL())
	keys.OptString(&c.db, "db").Opens(config.SQL(config.SQLKeys{}))
	doKey(&c.do, keys)
	keys.Originals(&c.originals)
}

// Check reads the actions.
func (c *SinkConfig) Check() (err error) {
	c.actions, err = parseActions(c.do)
	return err
}

type sinkConnector struct {
	config  *SinkConfig
	context *sdk.ConnectorContext
}

func newSinkConnector(config *SinkConfig, context *sdk.ConnectorContext) (sdk.Connector, error) {
	sdk.Infof("connector-start")
	return &sinkConnector{config, context}, connectorAct(config.actions, context, "connector-start")
}

func (c *sinkConnector) TaskConfigs(maxTasks int) ([]config.Map, error) {
	sdk.Infof("task-configs %d", maxTasks)
	if err := connectorAct(c.config.actions, c.context, "task-configs"); err != nil {
		return nil, err
	}
	return numbered(c.config.originals, maxTasks), nil
}

func (c *sinkConnector) Stop() error {
	sdk.Infof("connector-stop")
	return connectorAct(c.config.actions, c.context, "connector-stop")
}

type sinkTask struct {
	config  *SinkConfig
	context *sdk.SinkContext
	file    *sdk.File
	// What an action has put in the place of "all offsets"; nil is all.
	offsets []sdk.TopicOffset
}

func newSinkTask(config *SinkConfig, context *sdk.SinkContext) (*sinkTask, error) {
	sdk.Infof("start")
	task := &sinkTask{config: config, context: context}
	if err := task.act("start"); err != nil {
		return nil, err
	}
	if config.file != nil {
		file, err := sdk.OpenFile("file")
		if err != nil {
			return nil, err
		}
		task.file = file
	}
	return task, nil
}

func partitions(list []sdk.TopicPartition) (text string) {
	for _, partition := range list {
		text += " " + partition.String()
	}
	return text
}

func (t *sinkTask) Open(list []sdk.TopicPartition) error {
	sdk.Infof("open%s", partitions(list))
	return t.act("open")
}

func (t *sinkTask) Put(records *sdk.Records) error {
	sdk.Infof("put %d", records.Table().Selected())
	if err := t.act("put"); err != nil {
		return err
	}
	var lines []string
	var rejected []sdk.RowError
	for row, record := range records.All() {
		if text, ok := record.Value.(string); ok && strings.HasPrefix(text, "bad ") {
			rejected = append(rejected, sdk.RowError{Row: row, Err: sdk.BadData("%s", text[len("bad "):])})
			continue
		}
		lines = append(lines, line(record))
	}
	if rejected != nil {
		if err := t.context.Report(rejected...); err != nil {
			return err
		}
	}
	if t.file == nil {
		for _, line := range lines {
			sdk.Infof("record %s", line)
		}
		return nil
	}
	if lines == nil {
		return nil
	}
	_, err := t.file.Write([]byte(strings.Join(lines, "\n") + "\n"))
	return err
}

func line(record *sdk.Record) string {
	var partition int32
	var offset int64
	if record.Partition != nil {
		partition = *record.Partition
	}
	if record.Kafka != nil {
		offset = record.Kafka.Offset
	}
	text := fmt.Sprintf("%s-%d@%d %s %s", record.Topic, partition, offset, show(record.Key), show(record.Value))
	for _, header := range record.Headers {
		text += fmt.Sprintf(" %s=%s", header.Key, show(header.Value))
	}
	if !record.Timestamp.IsZero() {
		text += fmt.Sprintf(" ts=%d", record.Timestamp.UnixMilli())
	}
	return text
}

func (t *sinkTask) Flush() error {
	if t.file == nil {
		return nil
	}
	return t.file.Sync()
}

func (t *sinkTask) PreCommit(offsets []sdk.TopicOffset) ([]sdk.TopicOffset, error) {
	text := ""
	for _, at := range offsets {
		text += fmt.Sprintf(" %v@%d", at.TopicPartition, at.Offset)
	}
	sdk.Infof("pre-commit%s", text)
	t.offsets = offsets
	if err := t.act("pre-commit"); err != nil {
		return nil, err
	}
	return t.offsets, t.Flush()
}

func (t *sinkTask) Close(list []sdk.TopicPartition) error {
	sdk.Infof("close%s", partitions(list))
	return t.act("close")
}

func (t *sinkTask) Stop() error {
	sdk.Infof("stop")
	return t.act("stop")
}

func (t *sinkTask) act(place string) error {
	return t.config.actions.run(place, func(words []string) error {
		var numbers [4]int64
		for i, word := range words[:min(len(words), 4)] {
			numbers[i], _ = number(word)
		}
		at := func() sdk.TopicPartition {
			return sdk.TopicPartition{Topic: words[1], Partition: uint32(numbers[2])}
		}
		position := func() sdk.TopicOffset {
			return sdk.TopicOffset{TopicPartition: at(), Offset: uint64(numbers[3])}
		}
		switch action := fmt.Sprint(words[0], len(words)-1); {
		case action == "assignment0":
			sdk.Infof("assignment%s", partitions(t.context.Assignment()))
		case action == "seek3":
			t.context.Seek(position())
		case action == "pause2":
			return t.context.Pause(at())
		case action == "resume2":
			return t.context.Resume(at())
		case action == "timeout1":
			t.context.Timeout(time.Duration(numbers[1]) * time.Millisecond)
		case action == "request-commit0":
			t.context.RequestCommit()
		case action == "offsets1":
			t.offsets = nil
		case action == "offsets3":
			t.offsets = []sdk.TopicOffset{position()}
		case words[0] == "say":
			return t.context.Write("why", sdk.TopicReport{
				Value:   []byte(strings.Join(words[1:], " ")),
				Headers: []sdk.ReportHeader{{Key: "by", Value: []byte("kit")}},
			})
		case action == "report2":
			err := failure(words[2], place)
			if words[2] == "own" {
				err = own()
			}
			return t.context.Report(sdk.RowError{Row: int(numbers[1]), Err: err})
		case action == "http0":
			return get(t.config.url)
		default:
			return unknown(words)
		}
		return nil
	})
}
