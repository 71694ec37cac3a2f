// Transforms: one that changes records, one that makes several of one, and one that works on whole columns.
package main

import (
	"strings"

	"millstream.dev/sdk"
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func init() {
	sdk.RegisterRecordTransform(sdk.Plugin{
		Class: "org.example.Shout", Version: "1", Doc: "Capitals for text; nulls are dropped.",
	}, func(*config.None) (Shout, error) { return Shout{}, nil })
	sdk.RegisterRecordTransform(sdk.Plugin{
		Class: "org.example.SplitWords", Version: "1", Doc: "A record for each word.",
	}, func(*config.None) (SplitWords, error) { return SplitWords{}, nil })
	sdk.RegisterTransform(sdk.Plugin{
		Class: "org.example.Retopic", Version: "1", Doc: "One topic for all.",
	}, func(config *RetopicConfig) (*Retopic, error) { return &Retopic{config.Topic}, nil })
}

func main() {}

// Shout turns text values into capitals, and drops records without a value.
type Shout struct{}

// Apply changes one record.
func (Shout) Apply(record *sdk.Record) (*sdk.Record, error) {
	switch value := record.Value.(type) {
	case nil:
		return nil, nil
	case string:
		record.Value = strings.ToUpper(value)
		return record, nil
	default:
		return nil, sdk.BadData("expected text, found a %s", data.JavaClass(value))
	}
}

// SplitWords makes a record of each word of a text value.
type SplitWords struct{}

// Apply is not asked: Expand is.
func (SplitWords) Apply(record *sdk.Record) (*sdk.Record, error) { return record, nil }

// Expand returns all that a record becomes.
func (SplitWords) Expand(record *sdk.Record) ([]*sdk.Record, error) {
	text, ok := record.Value.(string)
	if !ok {
		return []*sdk.Record{record}, nil
	}
	var records []*sdk.Record
	for word := range strings.FieldsSeq(text) {
		one := record.Clone()
		one.Value = word
		records = append(records, one)
	}
	return records, nil
}

// RetopicConfig is the configuration of Retopic.
type RetopicConfig struct{ Topic string }

// Keys declares the keys.
func (c *RetopicConfig) Keys(keys *config.Keys) {
	keys.String(&c.Topic, "topic").Required().NonEmpty().Doc("The topic.")
}

// Retopic sends all records to one topic. Rows need not be looked at: the column of topics is replaced.
type Retopic struct{ topic string }

// Apply changes a whole batch.
func (r *Retopic) Apply(records *sdk.Records) error {
	table := records.Edit()
	if records.AllMatter() {
		table.Set(batch.Topic, batch.ConstantText(table.Rows, r.topic))
		return nil
	}
	// A predicate limits the transform: the other rows keep their topics.
	topics := make([]string, table.Rows)
	for row := range topics {
		if topics[row] = table.Topic(row); records.IsActive(row) {
			topics[row] = r.topic
		}
	}
	table.Set(batch.Topic, batch.Texts(topics))
	return nil
}
