package batch

import (
	"fmt"
	"math"
	"math/big"
	"time"
	"unsafe"

	"millstream.dev/sdk/data"
)

// Column is a column of a batch. Its fields say how it is laid out; what they may hold is in batch.md.
//
// A column belongs to the table that it was read from or put into. Do not change its bytes: replace the column.
// Rows count from 0; a row beyond the end panics, as with slices. What the reading functions return for a null is
// unspecified, so ask [Column.IsNull] before.
type Column struct {
	Kind Kind
	// Constant says that one stored row stands for all of them.
	Constant bool
	Rows     int
	// Name among its siblings, where the parent names them.
	Name string
	// Valid has a bit per stored row: not null. Nil if no row is null.
	Valid Bits
	// Present has a bit per stored row: the map has this key. Nil if every map has it.
	Present  Bits
	Data     []byte
	Children []*Column

	fields *structFields
}

// structFields are the values of a column's structs, for those that read them as they are asked for.
type structFields struct {
	column  *Column
	schema  *data.Schema
	schemas *Schemas
	structs data.LazyStructs
}

// Field is the value of a field in a row.
func (f *structFields) Field(row, field int) any {
	return f.column.Children[field].Value(f.column.at(row), f.schema.Fields[field].Schema, f.schemas)
}

// LazyValue is [Column.Value]; of a struct the fields are read when they are asked for, so that it holds the batch for as
// long as it lives.
func (c *Column) LazyValue(row int, schema *data.Schema, schemas *Schemas) any {
	if c.Kind != Struct || schema == nil || len(schema.Fields) != len(c.Children) || c.IsNull(row) {
		return c.Value(row, schema, schemas)
	}
	if c.fields == nil || c.fields.schema != schema || c.fields.schemas != schemas {
		c.fields = &structFields{column: c, schema: schema, schemas: schemas}
		c.fields.structs = data.LazyStructs{Schema: schema, Source: c.fields}
	}
	return c.fields.structs.At(row)
}

// at is the stored row that stands for a row.
func (c *Column) at(row int) int {
	if c.Constant {
		return 0
	}
	return row
}

// stored is the number of rows that are stored.
func (c *Column) stored() int {
	if c.Constant {
		return 1
	}
	return c.Rows
}

// IsNull says whether the row is null, or absent from its map.
func (c *Column) IsNull(row int) bool {
	if c.Kind == Null {
		return true
	}
	if c.Valid == nil && c.Present == nil {
		return false
	}
	at := c.at(row)
	return !c.Valid.Get(at) || !c.Present.Get(at)
}

// IsPresent says whether the map of this row has the key at all.
func (c *Column) IsPresent(row int) bool { return c.Present.Get(c.at(row)) }

// HasNulls says whether some row may be null.
func (c *Column) HasNulls() bool { return c.Kind == Null || c.Valid != nil || c.Present != nil }

// Bool reads a Bool.
func (c *Column) Bool(row int) bool { return Bits(c.Data).Get(c.at(row)) }

// Int reads any of the integers and an Instant; 0 for other kinds.
func (c *Column) Int(row int) int64 {
	at := c.at(row)
	switch c.Kind {
	case Int64, Instant:
		return int64(le.Uint64(c.Data[at*8:]))
	case Int32:
		return int64(int32(le.Uint32(c.Data[at*4:])))
	case Int16:
		return int64(int16(le.Uint16(c.Data[at*2:])))
	case Int8:
		return int64(int8(c.Data[at]))
	}
	return 0
}

// Float reads a Float32 or Float64, and integers as such; NaN for other kinds.
func (c *Column) Float(row int) float64 {
	at := c.at(row)
	switch c.Kind {
	case Float64:
		return math.Float64frombits(le.Uint64(c.Data[at*8:]))
	case Float32:
		return float64(math.Float32frombits(le.Uint32(c.Data[at*4:])))
	case Int8, Int16, Int32, Int64:
		return float64(c.Int(row))
	}
	return math.NaN()
}

// Text reads a String or Dictionary; empty for other kinds.
//
// The text shares the memory of its batch: whoever keeps it for long keeps the batch, unless it is cloned
// (strings.Clone).
func (c *Column) Text(row int) string {
	switch c.Kind {
	case String:
		if at, to := c.bounds(c.at(row)); at < to {
			heap := c.Data[(c.stored()+1)*4:][at:to]
			return unsafe.String(unsafe.SliceData(heap), len(heap))
		}
	case Dictionary:
		return c.Children[0].Text(int(le.Uint32(c.Data[c.at(row)*4:])))
	}
	return ""
}

// Bytes reads Bytes, and the encoded form of the other kinds with a heap. It shares the memory of the batch: do not change
// it, and copy what you keep.
func (c *Column) Bytes(row int) []byte {
	if !c.Kind.isHeap() {
		return nil
	}
	at, to := c.bounds(c.at(row))
	return c.Data[(c.stored()+1)*4:][at:to:to]
}

// Decimal reads a Decimal.
func (c *Column) Decimal(row int) data.Decimal { return decimalOf(c.Bytes(row)) }

// Time reads an Instant.
func (c *Column) Time(row int) time.Time { return time.UnixMilli(c.Int(row)).UTC() }

// Range is where the elements of a List or the entries of a Map stand in the children: from, and up to but without.
func (c *Column) Range(row int) (from, to int) {
	if c.Kind != List && c.Kind != Map {
		return 0, 0
	}
	return c.bounds(c.at(row))
}

func (c *Column) bounds(at int) (int, int) {
	offsets := c.Data[at*4 : at*4+8]
	return int(le.Uint32(offsets)), int(le.Uint32(offsets[4:]))
}

// Child is the child of a Struct or Object of this name, nil if it has none.
func (c *Column) Child(name string) *Column {
	if c.Kind != Struct && c.Kind != Object {
		return nil
	}
	for _, child := range c.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// Inner is the row of the children of a Struct or Object that belongs to a row.
func (c *Column) Inner(row int) int { return c.at(row) }

// Value is a row as a Go value, as package data describes it. The schema is that of the column's values, nil for
// schemaless ones; schemas are those of the table.
func (c *Column) Value(row int, schema *data.Schema, schemas *Schemas) any {
	if c.IsNull(row) {
		return nil
	}
	switch c.Kind {
	case Bool:
		return c.Bool(row)
	case Int8:
		return int8(c.Int(row))
	case Int16:
		return int16(c.Int(row))
	case Int32:
		return int32(c.Int(row))
	case Int64:
		return c.Int(row)
	case Float32:
		return math.Float32frombits(le.Uint32(c.Data[c.at(row)*4:]))
	case Float64:
		return c.Float(row)
	case String, Dictionary:
		return string([]byte(c.Text(row)))
	case Bytes:
		return append([]byte{}, c.Bytes(row)...)
	case Decimal:
		return c.Decimal(row)
	case Instant:
		return c.Time(row)
	case List:
		var element *data.Schema
		if schema != nil {
			element = schema.Element
		}
		from, to := c.Range(row)
		list := make([]any, 0, to-from)
		for at := from; at < to; at++ {
			list = append(list, c.Children[0].Value(at, element, schemas))
		}
		return list
	case Map:
		var key, value *data.Schema
		if schema != nil {
			key, value = schema.Key, schema.Value
		}
		from, to := c.Range(row)
		entries := make([]data.Entry, 0, to-from)
		for at := from; at < to; at++ {
			entries = append(entries, data.Entry{
				Key:   c.Children[0].Value(at, key, schemas),
				Value: c.Children[1].Value(at, value, schemas),
			})
		}
		return data.MapOfEntries(entries)
	case Struct:
		if schema == nil || len(schema.Fields) != len(c.Children) {
			return nil
		}
		slots, at := make([]any, len(c.Children)), c.at(row)
		for i, child := range c.Children {
			slots[i] = child.Value(at, schema.Fields[i].Schema, schemas)
		}
		made, err := data.StructOfSlots(schema, slots)
		if err != nil {
			return nil
		}
		return made
	case Object:
		entries, at := make([]data.Entry, 0, len(c.Children)), c.at(row)
		for _, child := range c.Children {
			if child.IsPresent(at) {
				entries = append(entries, data.Entry{Key: child.Name, Value: child.Value(at, nil, schemas)})
			}
		}
		return data.MapOfEntries(entries)
	case Variant:
		value, _ := readVariant(c.Bytes(row), c.Children[0], schemas)
		return value
	}
	return nil
}

// Take is a column of the chosen rows, in the order given.
func (c *Column) Take(rows []uint32) *Column {
	if c.Constant && len(rows) > 0 {
		copied := *c
		copied.Rows = len(rows)
		return &copied
	}
	taken := &Column{Kind: c.Kind, Rows: len(rows), Name: c.Name, Valid: c.Valid.take(rows), Present: c.Present.take(rows)}
	if c.Constant {
		// Nothing is left for the stored row to stand for.
		taken.Valid, taken.Present = nil, nil
	}
	switch width := c.Kind.width(); {
	case c.Kind == Null:
	case c.Kind == Bool:
		bits := NewBits(len(rows), false)
		for i, row := range rows {
			bits.Set(i, c.Bool(int(row)))
		}
		taken.Data = bits
	case width > 0:
		taken.Data = make([]byte, 0, width*len(rows))
		for _, row := range rows {
			taken.Data = append(taken.Data, c.Data[int(row)*width:][:width]...)
		}
		taken.Children = c.Children
	case c.Kind.isHeap():
		var heap heap
		heap.offsets = le.AppendUint32(make([]byte, 0, 4*(len(rows)+1)), 0)
		for _, row := range rows {
			heap.bytes = append(heap.bytes, c.Bytes(int(row))...)
			heap.end()
		}
		taken.Data, taken.Children = heap.data(), c.Children
	case c.Kind == List || c.Kind == Map:
		var elements []uint32
		taken.Data = le.AppendUint32(make([]byte, 0, 4*(len(rows)+1)), 0)
		for _, row := range rows {
			from, to := c.Range(int(row))
			for at := from; at < to; at++ {
				elements = append(elements, uint32(at))
			}
			taken.Data = le.AppendUint32(taken.Data, uint32(len(elements)))
		}
		taken.Children = takeAll(c.Children, elements)
	default:
		taken.Children = takeAll(c.Children, rows)
	}
	return taken
}

func takeAll(children []*Column, rows []uint32) []*Column {
	taken := make([]*Column, len(children))
	for i, child := range children {
		taken[i] = child.Take(rows)
	}
	return taken
}

// Repeated is the column's only row standing for so many rows.
func (c *Column) Repeated(rows int) (*Column, error) {
	if c.stored() != 1 || c.Kind == Null {
		return nil, fmt.Errorf("only a column of one row that is not null throughout can be repeated, this one has %d of %v", c.Rows, c.Kind)
	}
	if rows == 0 {
		return c.Take(nil), nil
	}
	copied := *c
	copied.Constant, copied.Rows = true, rows
	return &copied, nil
}

// Expanded is the same column with a stored row for each row.
func (c *Column) Expanded() *Column {
	if !c.Constant {
		return c
	}
	one := *c
	one.Constant, one.Rows = false, 1
	expanded := one.Take(make([]uint32, c.Rows))
	return expanded
}

// WithName is the same column under a name.
func (c *Column) WithName(name string) *Column {
	copied := *c
	copied.Name = name
	return &copied
}

func decimalOf(encoded []byte) data.Decimal {
	return data.Decimal{Scale: int32(le.Uint32(encoded)), Unscaled: bigOf(encoded[4:])}
}

// bigOf reads big-endian two's complement.
func bigOf(encoded []byte) *big.Int {
	number := new(big.Int).SetBytes(encoded)
	if len(encoded) > 0 && encoded[0]&0x80 != 0 {
		number.Sub(number, new(big.Int).Lsh(big.NewInt(1), uint(len(encoded))*8))
	}
	return number
}

// appendBig writes the shortest big-endian two's complement, at least one byte.
func appendBig(out []byte, number *big.Int) []byte {
	switch number.Sign() {
	case 0:
		return append(out, 0)
	case 1:
		digits := number.Bytes()
		if digits[0]&0x80 != 0 {
			out = append(out, 0)
		}
		return append(out, digits...)
	}
	// -n-1 has the bits of n, inverted.
	inverted := new(big.Int).Not(number)
	digits := inverted.Bytes()
	if len(digits) == 0 || digits[0]&0x80 != 0 {
		out = append(out, 0xFF)
	}
	for _, digit := range digits {
		out = append(out, ^digit)
	}
	return out
}
