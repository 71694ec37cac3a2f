package batch

import (
	"iter"
	"math"
	"math/big"
	"time"

	"millstream.dev/sdk/data"
)

// Row is a row of a table, for walking over it without making values of it.
type Row struct {
	table      *Table
	row        int
	key, value Place
}

// All walks the rows that are selected.
func (t *Table) All() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		keys, values := t.Keys.Places(t.Rows), t.Values.Places(t.Rows)
		selection := t.Get(Selection)
		for row := range t.Rows {
			if (selection == nil || selection.Bool(row)) && !yield(Row{t, row, keys[row], values[row]}) {
				return
			}
		}
	}
}

// Index is the number of the row in its table.
func (r Row) Index() int { return r.row }

// Topic of the record; see [Column.Text] on its memory.
func (r Row) Topic() string { return r.table.Topic(r.row) }

// Int is a number of the envelope: Partition, Timestamp (in milliseconds), Offset, ….
func (r Row) Int(role Role) (int64, bool) { return r.table.Int(role, r.row) }

// Headers of the record, in order.
func (r Row) Headers() []Header { return r.table.HeadersOf(r.row) }

// Key of the record.
func (r Row) Key() Cell { return r.cell(&r.table.Keys, r.key) }

// Value of the record.
func (r Row) Value() Cell { return r.cell(&r.table.Values, r.value) }

func (r Row) cell(union *Union, place Place) Cell {
	if place.Block < 0 {
		return Cell{}
	}
	block := union.Blocks[place.Block]
	return cellOf(block.Column, place.Row, block.Schema, r.table.Schemas)
}

// Cell is a value where it stands. The zero cell is null. What it is asked for and is not, it says with false.
type Cell struct {
	column  *Column
	row     int
	schema  *data.Schema
	schemas *Schemas
	// A value that had to be taken out of a variant.
	boxed any
}

func cellOf(column *Column, row int, schema *data.Schema, schemas *Schemas) Cell {
	if column.IsNull(row) {
		return Cell{schema: schema}
	}
	if column.Kind == Variant {
		return Cell{boxed: column.Value(row, schema, schemas), schema: schema}
	}
	return Cell{column: column, row: row, schema: schema, schemas: schemas}
}

func boxedCell(value any) Cell { return Cell{boxed: value} }

// IsNull says whether it is null, or is not there at all.
func (c Cell) IsNull() bool { return c.column == nil && c.boxed == nil }

// Schema of the value, nil for schemaless data.
func (c Cell) Schema() *data.Schema { return c.schema }

// Value is the value as package data describes it.
func (c Cell) Value() any {
	if c.column == nil {
		return c.boxed
	}
	return c.column.Value(c.row, c.schema, c.schemas)
}

// Text is a text; see [Column.Text] on its memory.
func (c Cell) Text() (string, bool) {
	if c.column == nil {
		text, ok := c.boxed.(string)
		return text, ok
	}
	if c.column.Kind != String && c.column.Kind != Dictionary {
		return "", false
	}
	return c.column.Text(c.row), true
}

// Int is an integer of any width.
func (c Cell) Int() (int64, bool) {
	if c.column == nil {
		switch value := c.boxed.(type) {
		case int8:
			return int64(value), true
		case int16:
			return int64(value), true
		case int32:
			return int64(value), true
		case int64:
			return value, true
		case *big.Int:
			return value.Int64(), value.IsInt64()
		}
		return 0, false
	}
	switch c.column.Kind {
	case Int8, Int16, Int32, Int64:
		return c.column.Int(c.row), true
	}
	return 0, false
}

// Float is a number, an integer as the nearest that there is.
func (c Cell) Float() (float64, bool) {
	if number, ok := c.Int(); ok {
		return float64(number), true
	}
	if c.column == nil {
		switch value := c.boxed.(type) {
		case float32:
			return float64(value), true
		case float64:
			return value, true
		}
		return math.NaN(), false
	}
	if c.column.Kind != Float32 && c.column.Kind != Float64 {
		return math.NaN(), false
	}
	return c.column.Float(c.row), true
}

// Bool is a boolean.
func (c Cell) Bool() (value, ok bool) {
	if c.column == nil {
		value, ok = c.boxed.(bool)
		return value, ok
	}
	if c.column.Kind != Bool {
		return false, false
	}
	return c.column.Bool(c.row), true
}

// Bytes are bytes; see [Column.Bytes] on their memory.
func (c Cell) Bytes() ([]byte, bool) {
	if c.column == nil {
		value, ok := c.boxed.([]byte)
		return value, ok
	}
	if c.column.Kind != Bytes {
		return nil, false
	}
	return c.column.Bytes(c.row), true
}

// Time is an instant.
func (c Cell) Time() (time.Time, bool) {
	if c.column == nil {
		value, ok := c.boxed.(time.Time)
		return value, ok
	}
	if c.column.Kind != Instant {
		return time.Time{}, false
	}
	return c.column.Time(c.row), true
}

// Field is a member of a struct or of a map with text keys; null if there is none of this name.
func (c Cell) Field(name string) Cell {
	if c.column == nil {
		switch value := c.boxed.(type) {
		case *data.Map:
			return boxedCell(value.Get(name))
		case *data.Struct:
			return boxedCell(value.GetWithoutDefault(name))
		}
		return Cell{}
	}
	switch c.column.Kind {
	case Struct:
		if at := c.schema.Field(name); at >= 0 && at < len(c.column.Children) {
			return cellOf(c.column.Children[at], c.column.at(c.row), c.schema.Fields[at].Schema, c.schemas)
		}
	case Object:
		if child := c.column.Child(name); child != nil {
			return cellOf(child, c.column.at(c.row), nil, c.schemas)
		}
	case Map:
		for key, value := range c.Entries() {
			if text, ok := key.Text(); ok && text == name {
				return value
			}
		}
	}
	return Cell{}
}

// Path is Field, several times.
func (c Cell) Path(names ...string) Cell {
	for _, name := range names {
		c = c.Field(name)
	}
	return c
}

// Len is the number of elements of a list, entries of a map or fields of a struct.
func (c Cell) Len() int {
	if c.column == nil {
		switch value := c.boxed.(type) {
		case []any:
			return len(value)
		case *data.Map:
			return value.Len()
		case *data.Struct:
			return len(value.Slots())
		}
		return 0
	}
	switch c.column.Kind {
	case List, Map:
		from, to := c.column.Range(c.row)
		return to - from
	case Struct:
		return len(c.column.Children)
	case Object:
		count := 0
		for _, child := range c.column.Children {
			if child.IsPresent(c.column.at(c.row)) {
				count++
			}
		}
		return count
	}
	return 0
}

// Items are the elements of a list.
func (c Cell) Items() iter.Seq[Cell] {
	return func(yield func(Cell) bool) {
		if c.column == nil {
			list, _ := c.boxed.([]any)
			for _, item := range list {
				if !yield(boxedCell(item)) {
					return
				}
			}
			return
		}
		if c.column.Kind != List {
			return
		}
		var element *data.Schema
		if c.schema != nil {
			element = c.schema.Element
		}
		from, to := c.column.Range(c.row)
		for at := from; at < to; at++ {
			if !yield(cellOf(c.column.Children[0], at, element, c.schemas)) {
				return
			}
		}
	}
}

// Entries are those of a map, and the fields of a struct by their names.
func (c Cell) Entries() iter.Seq2[Cell, Cell] {
	return func(yield func(Cell, Cell) bool) {
		if c.column == nil {
			switch value := c.boxed.(type) {
			case *data.Map:
				for key, item := range value.All() {
					if !yield(boxedCell(key), boxedCell(item)) {
						return
					}
				}
			case *data.Struct:
				for i, slot := range value.Slots() {
					if !yield(boxedCell(value.Schema().Fields[i].Name), boxedCell(slot)) {
						return
					}
				}
			}
			return
		}
		at := c.column.at(c.row)
		switch c.column.Kind {
		case Map:
			var keySchema, valueSchema *data.Schema
			if c.schema != nil {
				keySchema, valueSchema = c.schema.Key, c.schema.Value
			}
			from, to := c.column.Range(c.row)
			for at := from; at < to; at++ {
				key := cellOf(c.column.Children[0], at, keySchema, c.schemas)
				if !yield(key, cellOf(c.column.Children[1], at, valueSchema, c.schemas)) {
					return
				}
			}
		case Struct:
			for i, child := range c.column.Children {
				field := c.schema.Fields[i]
				if !yield(boxedCell(field.Name), cellOf(child, at, field.Schema, c.schemas)) {
					return
				}
			}
		case Object:
			for _, child := range c.column.Children {
				if child.IsPresent(at) && !yield(boxedCell(child.Name), cellOf(child, at, nil, c.schemas)) {
					return
				}
			}
		}
	}
}
