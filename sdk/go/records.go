package sdk

import (
	"iter"

	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/data"
	"millstream.dev/sdk/internal/contract"
)

// Records are what a transform or converter works on: a batch, and which of its rows are meant.
//
// Rows that are not active have to be left as they are: they were filtered or have failed before, or the transform's
// predicate does not hold for them.
type Records struct {
	table *batch.Table
	// Rows that are meant, beside the selection; all if there is no bitmap.
	only batch.Bits
	// Row of the batch passed to the call, per row; the same if there is no list.
	inputs  []uint32
	errors  []contract.RowError
	link    int
	changed bool
}

// NewRecords are all selected rows of a batch: for tests.
func NewRecords(table *batch.Table) *Records { return &Records{table: table} }

// Table is the batch, for reading. Do not change it: what is changed here may be lost.
func (r *Records) Table() *batch.Table { return r.table }

// Edit is the batch, for replacing columns. It is written anew then.
func (r *Records) Edit() *batch.Table {
	r.changed = true
	return r.table
}

// Rows is the number of rows, the ones that are not active included.
func (r *Records) Rows() int { return r.table.Rows }

// IsActive says whether a row is one of those to work on.
func (r *Records) IsActive(row int) bool { return r.only.Get(row) && r.table.IsSelected(row) }

// Active walks the rows to work on, ascending.
func (r *Records) Active() iter.Seq[int] {
	return func(yield func(int) bool) {
		for row := range r.table.Rows {
			if r.IsActive(row) && !yield(row) {
				return
			}
		}
	}
}

// AllMatter says that rows which are not active do not matter any more, so that whole columns may be replaced without a look
// at rows: no predicate limits the work, and rows that were filtered or have failed may look as they like.
func (r *Records) AllMatter() bool { return r.only == nil }

// Filter leaves rows out on purpose. They count as ended.
func (r *Records) Filter(rows ...int) {
	if len(rows) > 0 {
		r.Edit().Deselect(rows...)
	}
}

// Fail names a row that has failed. The error policy of the task decides what becomes of it; other rows go on. A row of
// which several records were made fails as a whole.
func (r *Records) Fail(row int, err error) {
	if !r.table.IsSelected(row) {
		return
	}
	input := row
	if r.inputs == nil {
		r.Edit().Deselect(row)
	} else {
		input = int(r.inputs[row])
		var siblings []int
		for other, of := range r.inputs {
			if int(of) == input {
				siblings = append(siblings, other)
			}
		}
		r.Edit().Deselect(siblings...)
	}
	r.errors = append(r.errors, lowerRow(input, r.link, err))
}

// inputOf is the row of the batch that was passed in.
func (r *Records) inputOf(row int) int {
	if r.inputs == nil {
		return row
	}
	return int(r.inputs[row])
}

// limited runs work for the rows of a bitmap, nil for all.
func (r *Records) limited(only batch.Bits, link int, work func() error) error {
	r.only, r.link = only, link
	err := work()
	r.only = nil
	return err
}

// outcome is what the call returns.
func (r *Records) outcome() (contract.Outcome, error) {
	outcome := contract.Outcome{Errors: r.errors}
	if r.changed {
		bytes, err := r.table.Bytes()
		if err != nil {
			return contract.Outcome{}, Fatal("write the batch: %w", err)
		}
		outcome.Changed = bytes
	}
	return outcome, nil
}

// All walks the active rows as records, each with its row.
func (r *Records) All() iter.Seq2[int, *Record] {
	return func(yield func(int, *Record) bool) {
		reader := newReader(r.table)
		for row := range r.table.Rows {
			if reader.isSelected(row) && r.only.Get(row) && !yield(row, reader.record(row)) {
				return
			}
		}
	}
}

// ReplaceEach turns each active row into a record, has it replaced, and puts the batch together again. No record in its
// place filters it; several stand one behind the other. What replace returns as an error, or panics with, belongs to its
// row.
//
// This is the comfortable way, not the fast one: every value of the batch is taken apart.
func (r *Records) ReplaceEach(replace func(*Record) ([]*Record, error)) error {
	old := r.table
	reader := newReader(old)
	reader.lazy = true
	made := rebuilt{parents: make([]uint32, 0, old.Rows)}
	for _, envelope := range old.Envelope {
		if envelope.Column.Kind == batch.Variant {
			// It stays, and may refer to schemas by their places: these stay, too.
			made.schemas = old.Schemas.Clone()
		}
	}
	type failure struct {
		row int
		err error
	}
	var filtered []int
	var failed []failure
	for row := range old.Rows {
		if !reader.isSelected(row) {
			made.end(row, reader.topicOf(row))
			continue
		}
		record := reader.record(row)
		if !r.only.Get(row) {
			if err := made.add(row, record); err != nil {
				return err
			}
			continue
		}
		before := len(made.parents)
		records, err := guarded(replace, record)
		for i := 0; i < len(records) && err == nil; i++ {
			if records[i] == nil {
				err = BadData("a transform returned a record that is nil")
			} else {
				err = made.add(row, records[i])
			}
		}
		switch {
		case err != nil:
			if len(made.parents) == before {
				made.end(row, reader.topicOf(row))
			}
			failed = append(failed, failure{len(made.parents) - 1, err})
		case len(records) == 0:
			filtered = append(filtered, len(made.parents))
			made.end(row, reader.topicOf(row))
		}
	}
	if r.inputs != nil || len(made.parents) != old.Rows {
		inputs := make([]uint32, len(made.parents))
		for i, parent := range made.parents {
			inputs[i] = uint32(r.inputOf(int(parent)))
		}
		r.inputs = inputs
	}
	r.table, r.changed = made.table(old), true
	r.Filter(filtered...)
	for _, one := range failed {
		r.Fail(one.row, one.err)
	}
	return nil
}

func guarded(replace func(*Record) ([]*Record, error), record *Record) (records []*Record, err error) {
	defer catch(&err, KindData)
	return replace(record)
}

// rebuilt are the parts of a batch that records may have changed, row by row.
type rebuilt struct {
	Collector
	// Old row of each new one. Each old row has at least one.
	parents []uint32
}

func (b *rebuilt) add(row int, record *Record) error {
	if err := b.Collector.add(record); err != nil {
		return err
	}
	b.Collector.end(record)
	b.parents = append(b.parents, uint32(row))
	return nil
}

// end keeps the place of a row that was filtered or has failed; its data does not matter any more.
func (b *rebuilt) end(row int, topic string) {
	b.keys.AppendNull()
	b.values.AppendNull()
	b.Collector.end(&Record{Topic: topic})
	b.parents = append(b.parents, uint32(row))
}

// table is the new batch; what records cannot change comes from the old one.
func (b *rebuilt) table(old *batch.Table) *batch.Table {
	table := batch.NewTable(b.rows)
	table.Schemas = &b.schemas
	same := len(b.parents) == old.Rows
	for _, envelope := range old.Envelope {
		switch envelope.Role {
		case batch.Topic, batch.Partition, batch.Timestamp, batch.HeadersRole:
		default:
			column := envelope.Column
			if !same {
				column = column.Take(b.parents)
			}
			table.Set(envelope.Role, column)
		}
	}
	b.into(table)
	if !same {
		b.number(table)
	}
	return table
}

// number says where each row came from, after rows have become several.
func (b *rebuilt) number(table *batch.Table) {
	origins, children := make([]int32, b.rows), make([]int32, b.rows)
	old := table.Get(batch.Origin)
	for row, parent := range b.parents {
		origins[row] = int32(parent)
		if old != nil {
			origins[row] = int32(old.Int(row))
		}
		// Rows of one origin stand together, since every stage keeps the order.
		if row > 0 && origins[row] == origins[row-1] {
			children[row] = children[row-1] + 1
		}
	}
	table.Set(batch.Origin, batch.Int32s(origins))
	table.Set(batch.Child, batch.Int32s(children))
}

// MapText replaces text in the values of the active rows: that of a field, or the whole value without a path. Nulls, rows
// that do not have the field, and what is no text there stay as they are. change appends to out what a text becomes, and
// returns the extended slice.
//
// This is fast: a column of texts is changed at once, and everything else of the batch stays where it is.
func (r *Records) MapText(change func(out []byte, text string) []byte, path ...string) error {
	table := r.Edit()
	values := &table.Values
	block := -1
	edit := func(schema *data.Schema, column *batch.Column) (*batch.Column, error) {
		if column.Kind != batch.String {
			return column, nil
		}
		if r.AllMatter() {
			return batch.MapText(column, change), nil
		}
		rows := values.Rows(block, table.Rows)
		changed := batch.NewBuilderFor(schema)
		var out []byte
		for at, row := range rows {
			if column.IsNull(at) {
				changed.AppendNull()
				continue
			}
			text := column.Text(at)
			if r.IsActive(int(row)) {
				out = change(out[:0], text)
				text = string(out)
			}
			if err := changed.AppendText(text); err != nil {
				return nil, BadData("put a changed text into a batch: %w", err)
			}
		}
		return changed.Finish(), nil
	}
	// Block by block, since rows of a block are known by its number.
	for block = range values.Blocks {
		one := batch.Union{Blocks: values.Blocks[block : block+1 : block+1]}
		if err := one.EditField(path, edit); err != nil {
			return err
		}
	}
	return table.EditVariants(values, path, func(row int, value any) (any, error) {
		if text, ok := value.(string); ok && r.IsActive(row) {
			return string(change(nil, text)), nil
		}
		return value, nil
	})
}
