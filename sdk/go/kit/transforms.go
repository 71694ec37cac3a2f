package main

import (
	"strings"

	"millstream.dev/sdk"
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func transform(name string) sdk.Plugin {
	return sdk.Plugin{Class: "org.millstream.kit." + name, Version: version, Doc: "Kit transform."}
}

func init() {
	sdk.RegisterRecordTransform(transform("Echo"), func(c *DoConfig) (*echo, error) { return &echo{c.actions}, nil })
	sdk.RegisterTransform(transform("Stamp"), func(c *StampConfig) (*stamp, error) { return &stamp{c}, nil })
	sdk.RegisterRecordTransform(transform("SetField"), func(c *SetFieldConfig) (*setField, error) { return &setField{c}, nil })
	sdk.RegisterRecordTransform(transform("Split"), func(c *DoConfig) (*split, error) { return &split{c.actions}, nil })
	sdk.RegisterRecordTransform(transform("Odd"), func(c *DoConfig) (*odd, error) { return &odd{c.actions}, nil })
	sdk.RegisterRecordTransform(transform("Count"), func(c *DoConfig) (*count, error) { return &count{actions: c.actions}, nil })
	sdk.RegisterRecordPredicate(sdk.Plugin{
		Class: "org.millstream.kit.HasText", Version: version, Doc: "Kit predicate.",
	}, func(c *HasTextConfig) (*hasText, error) { return &hasText{c}, nil })
}

// DoConfig has actions only.
type DoConfig struct {
	do      string
	actions *Actions
}

// Keys declares the key.
func (c *DoConfig) Keys(keys *config.Keys) { doKey(&c.do, keys) }

// Configured reads the actions, and runs those of configure.
func (c *DoConfig) configured() (err error) {
	if c.actions, err = parseActions(c.do); err == nil {
		err = c.actions.run("configure", nil)
	}
	return err
}

// Check configures.
func (c *DoConfig) Check() error { return c.configured() }

type echo struct{ actions *Actions }

// Apply takes a record apart and makes a new one of the parts.
func (e *echo) Apply(r *sdk.Record) (*sdk.Record, error) {
	if err := e.actions.run("apply", nil); err != nil {
		return nil, err
	}
	made := &sdk.Record{
		Topic: r.Topic, Partition: r.Partition, Timestamp: r.Timestamp, KeySchema: r.KeySchema, Key: r.Key,
		ValueSchema: r.ValueSchema, Value: r.Value,
	}
	for _, header := range r.Headers {
		made.Headers = append(made.Headers, sdk.Header{Key: header.Key, Schema: header.Schema, Value: header.Value})
	}
	return made, nil
}

// StampConfig is the configuration of Stamp.
type StampConfig struct {
	topic string
	DoConfig
}

// Keys declares the keys.
func (c *StampConfig) Keys(keys *config.Keys) {
	keys.String(&c.topic, "topic").Required().NonEmpty()
	c.DoConfig.Keys(keys)
}

type stamp struct{ config *StampConfig }

// Apply sets the topic without a look at what is in the records.
func (s *stamp) Apply(records *sdk.Records) error {
	if err := s.config.actions.run("apply", nil); err != nil {
		return err
	}
	table := records.Edit()
	if records.AllMatter() {
		table.Set(batch.Topic, batch.ConstantText(table.Rows, s.config.topic))
		return nil
	}
	topics := make([]string, table.Rows)
	for row := range topics {
		if topics[row] = table.Topic(row); records.IsActive(row) {
			topics[row] = s.config.topic
		}
	}
	table.Set(batch.Topic, batch.Texts(topics))
	return nil
}

// SetFieldConfig is the configuration of SetField.
type SetFieldConfig struct {
	field, value string
	DoConfig
}

// Keys declares the keys.
func (c *SetFieldConfig) Keys(keys *config.Keys) {
	keys.String(&c.field, "field").Required().NonEmpty()
	keys.String(&c.value, "value").Default("set")
	c.DoConfig.Keys(keys)
}

type setField struct{ config *SetFieldConfig }

// Apply sets a field of a map or struct.
func (s *setField) Apply(record *sdk.Record) (*sdk.Record, error) {
	if err := s.config.actions.run("apply", nil); err != nil {
		return nil, err
	}
	name := s.config.field
	switch value := record.Value.(type) {
	case nil:
	case *data.Map:
		value.Set(name, s.config.value)
	case *data.Struct:
		schema := value.Schema()
		if at := schema.Field(name); at >= 0 {
			if schema.Fields[at].Schema.Type != data.String {
				return nil, sdk.BadData("field %s is no text", name).InField(name)
			}
			return record, value.Set(name, s.config.value)
		}
		fields := append(schema.Fields[:len(schema.Fields):len(schema.Fields)], data.Field{
			Name: name, Schema: data.OptionalOf(data.String),
		})
		wider, err := schema.WithFields(fields...)
		if err != nil {
			return nil, err
		}
		widened, err := data.StructOfSlots(wider, append(value.Slots(), s.config.value))
		if err != nil {
			return nil, err
		}
		record.ValueSchema, record.Value = wider, widened
	default:
		return nil, sdk.BadData("expected a map or a struct").InField(name)
	}
	return record, nil
}

type split struct{ actions *Actions }

// Apply is not asked: Expand is.
func (s *split) Apply(record *sdk.Record) (*sdk.Record, error) { return record, nil }

// Expand makes a record of each word.
func (s *split) Expand(record *sdk.Record) ([]*sdk.Record, error) {
	if err := s.actions.run("apply", nil); err != nil {
		return nil, err
	}
	text, ok := record.Value.(string)
	if !ok {
		return []*sdk.Record{record}, nil
	}
	var records []*sdk.Record
	for word := range strings.SplitSeq(text, " ") {
		if word != "" {
			one := record.Clone()
			one.Value = word
			records = append(records, one)
		}
	}
	return records, nil
}

type odd struct{ actions *Actions }

// Apply does with a record what its value says.
func (o *odd) Apply(record *sdk.Record) (*sdk.Record, error) {
	if err := o.actions.run("apply", nil); err != nil {
		return nil, err
	}
	text, _ := record.Value.(string)
	switch {
	case text == "drop":
		return nil, nil
	case text == "own":
		return nil, own()
	case text == "panic":
		panicOnPurpose()
	case text == "bad":
		record.ValueSchema = data.Of(data.Int32)
	case strings.HasPrefix(text, "fail "):
		return nil, failure(text[len("fail "):], "record")
	}
	return record, nil
}

type count struct {
	next    int64
	actions *Actions
}

// Apply numbers a record.
func (c *count) Apply(record *sdk.Record) (*sdk.Record, error) {
	if err := c.actions.run("apply", nil); err != nil {
		return nil, err
	}
	record.Headers = append(record.Headers, sdk.Header{Key: "count", Schema: data.Of(data.Int64), Value: c.next})
	c.next++
	return record, nil
}

// HasTextConfig is the configuration of HasText.
type HasTextConfig struct {
	text string
	DoConfig
}

// Keys declares the keys.
func (c *HasTextConfig) Keys(keys *config.Keys) {
	keys.String(&c.text, "text").Required().NonEmpty()
	c.DoConfig.Keys(keys)
}

type hasText struct{ config *HasTextConfig }

// Test holds for text that contains another.
func (h *hasText) Test(record *sdk.Record) (bool, error) {
	if err := h.config.actions.run("test", nil); err != nil {
		return false, err
	}
	text, ok := record.Value.(string)
	if text == "fail data" {
		return false, failure("data", "record")
	}
	return ok && strings.Contains(text, h.config.text), nil
}
