package batch

import "millstream.dev/sdk/data"

// Envelope is a column that every record has a row in, with its role.
type Envelope struct {
	Role   Role
	Column *Column
}

// Table is a batch opened: read it, replace columns, write it again with [Table.Bytes].
type Table struct {
	// Rows counts all rows, those that are no longer selected included.
	Rows int
	// Schemas are those that headers, variants and blocks refer to.
	Schemas *Schemas
	// Envelope has each role once, roles that nobody knows included.
	Envelope []Envelope
	// Keys and Values have a row for each record.
	Keys, Values Union
}

// NewTable is a table of so many rows: no envelope, keys and values null without a schema.
func NewTable(rows int) *Table { return &Table{Rows: rows, Schemas: &Schemas{}} }

// Get is the column of a role, nil if the batch has none.
func (t *Table) Get(role Role) *Column {
	for i := range t.Envelope {
		if t.Envelope[i].Role == role {
			return t.Envelope[i].Column
		}
	}
	return nil
}

// Set sets or replaces the column of a role.
func (t *Table) Set(role Role, column *Column) {
	for i := range t.Envelope {
		if t.Envelope[i].Role == role {
			t.Envelope[i].Column = column
			return
		}
	}
	t.Envelope = append(t.Envelope, Envelope{role, column})
}

// Remove removes the column of a role.
func (t *Table) Remove(role Role) {
	for i := range t.Envelope {
		if t.Envelope[i].Role == role {
			t.Envelope = append(t.Envelope[:i:i], t.Envelope[i+1:]...)
			return
		}
	}
}

// IsSelected says whether a row is still under way: neither filtered nor failed.
func (t *Table) IsSelected(row int) bool {
	selection := t.Get(Selection)
	return selection == nil || selection.Bool(row)
}

// Selected is the number of rows still under way.
func (t *Table) Selected() int {
	selection := t.Get(Selection)
	switch {
	case selection == nil:
		return t.Rows
	case selection.Constant:
		if selection.Bool(0) {
			return t.Rows
		}
		return 0
	}
	return Bits(selection.Data).Count(t.Rows)
}

// Deselect takes rows out of the selection. What becomes of them has to be said elsewhere.
func (t *Table) Deselect(rows ...int) {
	selection := NewBits(t.Rows, true)
	if old := t.Get(Selection); old != nil {
		if old.Constant {
			selection = NewBits(t.Rows, old.Bool(0))
		} else {
			selection = append(Bits(nil), old.Data...)
		}
	}
	for _, row := range rows {
		selection.Set(row, false)
	}
	t.Set(Selection, &Column{Kind: Bool, Rows: t.Rows, Data: selection})
}

// Topic is the topic of a row, empty if it has none. See [Column.Text] on its memory.
func (t *Table) Topic(row int) string {
	topics := t.Get(Topic)
	if topics == nil || topics.IsNull(row) {
		return ""
	}
	return topics.Text(row)
}

// Int is a number of the envelope: partition, timestamp, offset, ….
func (t *Table) Int(role Role, row int) (int64, bool) {
	column := t.Get(role)
	if column == nil || column.IsNull(row) {
		return 0, false
	}
	return column.Int(row), true
}

// ValueAt is the value at a place of the keys or values, nil where there is none.
func (t *Table) ValueAt(union *Union, place Place) (*data.Schema, any) {
	if place.Block < 0 {
		return nil, nil
	}
	block := union.Blocks[place.Block]
	return block.Schema, block.Column.Value(place.Row, block.Schema, t.Schemas)
}

// LazyValueAt is [Table.ValueAt] with [Column.LazyValue].
func (t *Table) LazyValueAt(union *Union, place Place) (*data.Schema, any) {
	if place.Block < 0 {
		return nil, nil
	}
	block := union.Blocks[place.Block]
	return block.Schema, block.Column.LazyValue(place.Row, block.Schema, t.Schemas)
}

// Take is a table of the chosen rows, in the order given; a row may be taken several times. What no row refers to any more
// is left behind when it is written.
func (t *Table) Take(rows []uint32) *Table {
	taken := NewTable(len(rows))
	*taken.Schemas = t.Schemas.Clone()
	for _, envelope := range t.Envelope {
		taken.Set(envelope.Role, envelope.Column.Take(rows))
	}
	taken.Keys = t.Keys.take(rows, t.Rows)
	taken.Values = t.Values.take(rows, t.Rows)
	return taken
}
