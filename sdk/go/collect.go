package sdk

import (
	"time"

	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/data"
)

// Collector puts records together into a batch, one at a time: for tests. [Poll.Add] does it for source tasks.
type Collector struct {
	rows                              int
	schemas                           batch.Schemas
	topics                            topics
	partitions, timestamps            batch.Builder
	sourcePartitions, sourceOffsets   batch.Builder
	headers                           batch.HeadersBuilder
	keys, values                      batch.UnionBuilder
	anyPartition, anySource, anyStamp bool
}

// Len is the number of records.
func (c *Collector) Len() int { return c.rows }

// Add appends a record, of which Kafka is left aside: only the host knows it. After an error, a key, value or header being
// what no batch can carry, nothing is appended.
func (c *Collector) Add(record *Record) error {
	if err := c.add(record); err != nil {
		return err
	}
	c.anySource = c.anySource || record.SourcePartition != nil || record.SourceOffset != nil
	if err := appendOffset(&c.sourcePartitions, record.SourcePartition, &c.schemas); err != nil {
		c.takeBack()
		return BadData("put a source partition into a batch: %w", err)
	}
	if err := appendOffset(&c.sourceOffsets, record.SourceOffset, &c.schemas); err != nil {
		c.takeBack()
		c.sourcePartitions.Truncate(c.rows)
		return BadData("put a source offset into a batch: %w", err)
	}
	c.end(record)
	return nil
}

// add appends what can fail.
func (c *Collector) add(record *Record) error {
	if err := c.keys.Append(record.KeySchema, record.Key, &c.schemas); err != nil {
		return BadData("put a key into a batch: %w", err)
	}
	if err := c.values.Append(record.ValueSchema, record.Value, &c.schemas); err != nil {
		c.keys.TakeBack()
		return BadData("put a value into a batch: %w", err)
	}
	mark := c.headers.Mark()
	for _, header := range record.Headers {
		if err := c.headers.Append(header.Key, header.Schema, header.Value, &c.schemas); err != nil {
			c.takeBack()
			c.headers.Reset(mark)
			return BadData("put the header %s into a batch: %w", header.Key, err)
		}
	}
	return nil
}

func (c *Collector) takeBack() {
	c.keys.TakeBack()
	c.values.TakeBack()
}

// end appends what cannot fail.
func (c *Collector) end(record *Record) {
	c.headers.EndRow()
	c.topics.add(record.Topic)
	var partition, timestamp any
	if record.Partition != nil {
		partition, c.anyPartition = *record.Partition, true
	}
	if !record.Timestamp.IsZero() {
		timestamp, c.anyStamp = record.Timestamp.UnixMilli(), true
	}
	// Numbers and nulls can be appended to their columns.
	_ = c.partitions.Append(partition, nil)
	_ = c.timestamps.Append(timestamp, nil)
	c.rows++
}

func appendOffset(builder *batch.Builder, offset Offset, schemas *batch.Schemas) error {
	if offset == nil {
		builder.AppendNull()
		return nil
	}
	plain, err := data.Plain(offset)
	if err != nil {
		return err
	}
	return builder.Append(plain, schemas)
}

// Table is the batch of the records so far. The collector is not to be used afterwards.
func (c *Collector) Table() *batch.Table {
	table := batch.NewTable(c.rows)
	table.Schemas = &c.schemas
	c.into(table)
	if c.anySource {
		table.Set(batch.SourcePartition, c.sourcePartitions.Finish())
		table.Set(batch.SourceOffset, c.sourceOffsets.Finish())
	}
	return table
}

// into sets all but the sources.
func (c *Collector) into(table *batch.Table) {
	table.Keys, table.Values = c.keys.Finish(), c.values.Finish()
	table.Set(batch.Topic, c.topics.finish())
	if c.anyPartition {
		table.Set(batch.Partition, c.partitions.Finish())
	}
	if c.anyStamp {
		table.Set(batch.Timestamp, c.timestamps.Finish())
	}
	if headers := c.headers.Finish(); headers != nil {
		table.Set(batch.HeadersRole, headers)
	}
}

// topics of rows: a dictionary, since there are few.
type topics struct {
	names []string
	codes []uint32
}

func (t *topics) add(topic string) {
	// Rows mostly name the topic of the row before; the last one stands at the end.
	for code := len(t.names) - 1; code >= 0; code-- {
		if t.names[code] == topic {
			t.codes = append(t.codes, uint32(code))
			return
		}
	}
	t.names = append(t.names, topic)
	t.codes = append(t.codes, uint32(len(t.names)-1))
}

func (t *topics) finish() *batch.Column {
	if len(t.names) == 1 {
		return batch.ConstantText(len(t.codes), t.names[0])
	}
	return batch.Coded(t.codes, t.names)
}

// Poll is one call of [SourceTask.Poll]: what may be brought, and what is.
type Poll struct {
	// MaxRecords and MaxBytes (keys, values and headers together, roughly) are how much it may bring.
	MaxRecords, MaxBytes int
	// MaxWait is how long it may take; bring nothing if there is nothing by then.
	MaxWait time.Duration

	collector *Collector
	table     *batch.Table
	bytes     int
}

// Add brings a record. After an error, which is of kind data, the record is not in the batch.
func (p *Poll) Add(record *Record) error {
	if p.table != nil {
		return Fatal("a poll brings either records or a table")
	}
	if p.collector == nil {
		p.collector = &Collector{}
	}
	if err := p.collector.Add(record); err != nil {
		return err
	}
	p.bytes += size(record.Key) + size(record.Value)
	for _, header := range record.Headers {
		p.bytes += len(header.Key) + size(header.Value)
	}
	return nil
}

// size is how many bytes a value takes, roughly.
func size(value any) int {
	switch value := value.(type) {
	case nil:
		return 0
	case string:
		return len(value)
	case []byte:
		return len(value)
	case []any:
		sum := 0
		for _, item := range value {
			sum += size(item)
		}
		return sum
	case *data.Map:
		sum := 0
		for key, item := range value.All() {
			sum += size(key) + size(item)
		}
		return sum
	case *data.Struct:
		sum := 0
		for _, slot := range value.Slots() {
			sum += size(slot)
		}
		return sum
	}
	return 8
}

// Len is the number of records so far.
func (p *Poll) Len() int {
	switch {
	case p.table != nil:
		return p.table.Rows
	case p.collector != nil:
		return p.collector.rows
	}
	return 0
}

// Full says whether there is no room for another record. Whoever goes on until then has what a poll may bring.
func (p *Poll) Full() bool { return p.Len() >= p.MaxRecords || p.bytes >= p.MaxBytes }

// SetTable brings a batch that was made of columns, in place of single records.
func (p *Poll) SetTable(table *batch.Table) { p.table, p.collector = table, nil }

// Wait waits for up to a time, but not longer than the poll may take: see [Wait].
func (p *Poll) Wait(d time.Duration) (stop bool) { return Wait(min(d, p.MaxWait)) }

// batch is what the poll brings, nil if there are no records.
func (p *Poll) batch() ([]byte, error) {
	table := p.table
	if p.collector != nil {
		table = p.collector.Table()
	}
	if table == nil || table.Rows == 0 {
		return nil, nil
	}
	return table.Bytes()
}
