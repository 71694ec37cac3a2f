package sdk

import (
	"time"

	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/data"
)

// Collector puts records together into a batch, one at a time: for tests. [Poll.Add] does it for source tasks.
type Collector struct {
	rows         int
	schemas      batch.Schemas
	topics       topics
	keys, values batch.UnionBuilder
	// What few records have is only begun with the first that has it.
	partitions, timestamps          batch.Builder
	sourcePartitions, sourceOffsets batch.Builder
	headers                         batch.HeadersBuilder
}

// Len is the number of records.
func (c *Collector) Len() int { return c.rows }

// Add appends a record, of which Kafka is left aside: only the host knows it. After an error, a key, value or header being
// what no batch can carry, nothing is appended.
func (c *Collector) Add(record *Record) error {
	if err := c.add(record); err != nil {
		return err
	}
	if err := c.appendOffset(&c.sourcePartitions, record.SourcePartition); err != nil {
		c.takeBack()
		c.headers.Truncate(c.rows)
		return BadData("put a source partition into a batch: %w", err)
	}
	if err := c.appendOffset(&c.sourceOffsets, record.SourceOffset); err != nil {
		c.takeBack()
		c.headers.Truncate(c.rows)
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
	if len(record.Headers) == 0 {
		return nil
	}
	c.headers.Pad(c.rows)
	for _, header := range record.Headers {
		if err := c.headers.Append(header.Key, header.Schema, header.Value, &c.schemas); err != nil {
			c.takeBack()
			c.headers.Truncate(c.rows)
			return BadData("put the header %s into a batch: %w", header.Key, err)
		}
	}
	c.headers.EndRow()
	return nil
}

func (c *Collector) takeBack() {
	c.keys.TakeBack()
	c.values.TakeBack()
}

// end appends what cannot fail.
func (c *Collector) end(record *Record) {
	c.topics.add(record.Topic)
	if record.Partition != nil {
		c.partitions.Pad(c.rows)
		c.partitions.AppendInt32(*record.Partition)
	}
	if !record.Timestamp.IsZero() {
		c.timestamps.Pad(c.rows)
		c.timestamps.AppendInt64(record.Timestamp.UnixMilli())
	}
	c.rows++
}

func (c *Collector) appendOffset(builder *batch.Builder, offset Offset) error {
	if offset == nil {
		return nil
	}
	plain, err := data.Plain(offset)
	if err != nil {
		return err
	}
	builder.Pad(c.rows)
	return builder.Append(plain, &c.schemas)
}

// Table is the batch of the records so far. The collector is not to be used afterwards.
func (c *Collector) Table() *batch.Table {
	table := batch.NewTable(c.rows)
	table.Schemas = &c.schemas
	c.into(table)
	c.finish(table, batch.SourcePartition, &c.sourcePartitions)
	c.finish(table, batch.SourceOffset, &c.sourceOffsets)
	return table
}

// finish sets a column that some record has a value in.
func (c *Collector) finish(table *batch.Table, role batch.Role, builder *batch.Builder) {
	if builder.Rows() > 0 {
		builder.Pad(c.rows)
		table.Set(role, builder.Finish())
	}
}

// into sets all but the sources.
func (c *Collector) into(table *batch.Table) {
	table.Keys, table.Values = c.keys.Finish(), c.values.Finish()
	table.Set(batch.Topic, c.topics.finish())
	c.finish(table, batch.Partition, &c.partitions)
	c.finish(table, batch.Timestamp, &c.timestamps)
	if c.headers.Rows() > 0 {
		c.headers.Pad(c.rows)
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
