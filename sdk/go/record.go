package sdk

import (
	"time"

	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/data"
)

// Header of a record. Several may have one key.
type Header struct {
	Key string
	// Schema of the value, nil for none.
	Schema *data.Schema
	Value  any
}

// Position is where a record stands in a Kafka topic.
type Position struct {
	Offset int64
	// What was before any transform.
	OriginalTopic     string
	OriginalPartition int32
	OriginalOffset    int64
}

// Offset is a source partition or a source offset: a map that JSON can hold. Whole numbers come back as int64.
type Offset = map[string]any

// Record is a record with all that belongs to it. Its key and value are Go values as package data describes them.
type Record struct {
	Topic string
	// Partition is nil to let the producer choose one by the key.
	Partition *int32
	// Timestamp is zero to let the producer set it. It counts to the millisecond.
	Timestamp time.Time
	// Schemas are nil for schemaless data.
	KeySchema   *data.Schema
	Key         any
	ValueSchema *data.Schema
	// Value is nil for a tombstone.
	Value   any
	Headers []Header
	// SourcePartition says what the record of a source came from: Offset{"filename": "a.txt"}. Nil is none.
	SourcePartition Offset
	// SourceOffset says where to go on after this record: Offset{"position": 42}. Nil is none.
	SourceOffset Offset
	// Kafka is where the record of a sink stands in its topic, nil in sources.
	Kafka *Position
}

// NewRecord is a record with a schemaless value.
func NewRecord(topic string, value any) *Record { return &Record{Topic: topic, Value: value} }

// NewRecordOf is a record whose value is a Go struct, with the schema that [data.SchemaFor] makes of its type. Keep the
// schema for several records: it is a function's argument for that reason.
func NewRecordOf(topic string, schema *data.Schema, value any) (*Record, error) {
	made, err := data.Marshal(value, schema)
	if err != nil {
		return nil, BadData("make a record: %w", err)
	}
	return &Record{Topic: topic, ValueSchema: schema, Value: made}, nil
}

// Header is the value of the last header of a key, nil if there is none.
func (r *Record) Header(key string) any {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value
		}
	}
	return nil
}

// Clone is a copy whose fields can be set without changing this one. Values inside are shared.
func (r *Record) Clone() *Record {
	copied := *r
	copied.Headers = append([]Header(nil), r.Headers...)
	return &copied
}

// Unmarshal sets the fields of the struct that target points at from the record's value: see [data.Unmarshal].
func (r *Record) Unmarshal(target any) error {
	if err := data.Unmarshal(r.Value, target); err != nil {
		return BadData("read the value: %w", err)
	}
	return nil
}

// reader reads rows of a table as records.
type reader struct {
	table        *batch.Table
	keys, values []batch.Place
	// Columns of the envelope, nil where the batch has none.
	topics, partitions, timestamps, selection           *batch.Column
	sourcePartitions, sourceOffsets, offsets            *batch.Column
	originalTopics, originalPartitions, originalOffsets *batch.Column
	headers                                             bool
	// Topic of the row before, since most rows share it, and the source partition of all rows.
	topic     string
	partition Offset
	// Whether structs read their fields when they are asked for, and records are made some at a time: for records that
	// live as long as the call.
	lazy    bool
	records []Record
}

func newReader(table *batch.Table) *reader {
	r := &reader{
		table: table, keys: table.Keys.Places(table.Rows), values: table.Values.Places(table.Rows),
		headers: table.Get(batch.HeadersRole) != nil,
	}
	for role, column := range map[batch.Role]**batch.Column{
		batch.Topic: &r.topics, batch.Partition: &r.partitions, batch.Timestamp: &r.timestamps, batch.Selection: &r.selection,
		batch.SourcePartition: &r.sourcePartitions, batch.SourceOffset: &r.sourceOffsets, batch.Offset: &r.offsets,
		batch.OriginalTopic: &r.originalTopics, batch.OriginalPartition: &r.originalPartitions,
		batch.OriginalOffset: &r.originalOffsets,
	} {
		*column = table.Get(role)
	}
	if r.sourcePartitions != nil && r.sourcePartitions.Constant {
		r.partition = r.offset(r.sourcePartitions, 0)
	}
	return r
}

// isSelected says whether a row is still under way.
func (r *reader) isSelected(row int) bool { return r.selection == nil || r.selection.Bool(row) }

func number(column *batch.Column, row int) (int64, bool) {
	if column == nil || column.IsNull(row) {
		return 0, false
	}
	return column.Int(row), true
}

func (r *reader) topicOf(row int) string {
	topic := ""
	if r.topics != nil && !r.topics.IsNull(row) {
		topic = r.topics.Text(row)
	}
	if topic != r.topic {
		r.topic = string([]byte(topic))
	}
	return r.topic
}

func (r *reader) empty() *Record {
	const atATime = 32
	if !r.lazy {
		return &Record{}
	}
	if len(r.records) == 0 {
		r.records = make([]Record, atATime)
	}
	made := &r.records[0]
	r.records = r.records[1:]
	return made
}

func (r *reader) record(row int) *Record {
	record := r.empty()
	record.Topic = r.topicOf(row)
	valueAt := r.table.ValueAt
	if r.lazy {
		valueAt = r.table.LazyValueAt
	}
	record.KeySchema, record.Key = valueAt(&r.table.Keys, r.keys[row])
	record.ValueSchema, record.Value = valueAt(&r.table.Values, r.values[row])
	if partition, ok := number(r.partitions, row); ok {
		narrow := int32(partition)
		record.Partition = &narrow
	}
	if ms, ok := number(r.timestamps, row); ok {
		record.Timestamp = time.UnixMilli(ms).UTC()
	}
	if r.headers {
		for _, header := range r.table.HeadersOf(row) {
			record.Headers = append(record.Headers, Header{string([]byte(header.Key)), header.Schema(), header.Value()})
		}
	}
	record.SourcePartition = r.partition
	if record.SourcePartition == nil {
		record.SourcePartition = r.offset(r.sourcePartitions, row)
	}
	record.SourceOffset = r.offset(r.sourceOffsets, row)
	if offset, ok := number(r.offsets, row); ok {
		record.Kafka = r.position(row, offset, record)
	}
	return record
}

func (r *reader) offset(column *batch.Column, row int) Offset {
	if column == nil {
		return nil
	}
	entries, ok := column.Value(row, nil, r.table.Schemas).(*data.Map)
	if !ok {
		return nil
	}
	made := make(Offset, entries.Len())
	for key, value := range entries.All() {
		if name, ok := key.(string); ok {
			made[name] = value
		}
	}
	return made
}

func (r *reader) position(row int, offset int64, record *Record) *Position {
	at := &Position{Offset: offset, OriginalTopic: record.Topic, OriginalOffset: offset}
	if topics := r.originalTopics; topics != nil && !topics.IsNull(row) && topics.Text(row) != record.Topic {
		at.OriginalTopic = string([]byte(topics.Text(row)))
	}
	if number, ok := number(r.originalPartitions, row); ok {
		at.OriginalPartition = int32(number)
	} else if record.Partition != nil {
		at.OriginalPartition = *record.Partition
	}
	if number, ok := number(r.originalOffsets, row); ok {
		at.OriginalOffset = number
	}
	return at
}
