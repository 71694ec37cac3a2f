package batch

import (
	"unicode/utf8"
	"unsafe"

	"millstream.dev/sdk/data"
)

// Header is a header in place.
type Header struct {
	// Key shares the memory of the batch.
	Key     string
	place   int
	value   []byte
	all     []byte
	schemas *Schemas
}

// Schema of the value, nil if it has none.
func (h Header) Schema() *data.Schema { return h.schemas.Get(h.place) }

// Value as package data describes it.
func (h Header) Value() any {
	value, _ := readVariant(h.value, nil, h.schemas)
	return value
}

// HeadersOf are the headers of a row, in order; none without a column of headers.
func (t *Table) HeadersOf(row int) []Header {
	column := t.Get(HeadersRole)
	if column == nil || column.Kind != Headers {
		return nil
	}
	var found []Header
	for rest := column.Bytes(row); len(rest) > 0; {
		keyEnd := 4 + int(le.Uint32(rest))
		place := int(le.Uint16(rest[keyEnd:]))
		if place == noSchema16 {
			place = -1
		}
		end := keyEnd + 6 + int(le.Uint32(rest[keyEnd+2:]))
		key := rest[4:keyEnd]
		found = append(found, Header{
			unsafe.String(unsafe.SliceData(key), len(key)), place, rest[keyEnd+6 : end], rest[:end], t.Schemas,
		})
		rest = rest[end:]
	}
	return found
}

// HeadersBuilder makes a column of headers.
type HeadersBuilder struct {
	heap heap
}

// Append appends a header to the row that is being made. After an error the row is as it was.
func (b *HeadersBuilder) Append(key string, schema *data.Schema, value any, schemas *Schemas) error {
	if !utf8.ValidString(key) {
		return errNotUTF8
	}
	before := len(b.heap.bytes)
	place := noSchema16
	if schema != nil {
		var err error
		if place, err = schemas.Place(schema); err != nil {
			return err
		}
	}
	out := le.AppendUint16(appendText(b.heap.bytes, key), uint16(place))
	at := len(out)
	writer := variantWriter{out: append(out, 0, 0, 0, 0), schemas: schemas}
	if schema != nil {
		plain, err := data.PlainFor(value, schema)
		if err != nil {
			return err
		}
		value = plain
	}
	if err := writer.value(value, 0); err != nil {
		b.heap.bytes = b.heap.bytes[:before]
		return err
	}
	le.PutUint32(writer.out[at:], uint32(len(writer.out)-at-4))
	b.heap.bytes = writer.out
	return nil
}

// AppendHeader appends a header as it stands in a table with the same schemas.
func (b *HeadersBuilder) AppendHeader(header Header) {
	b.heap.bytes = append(b.heap.bytes, header.all...)
}

// Rows is the number of rows that have ended.
func (b *HeadersBuilder) Rows() int { return max(len(b.heap.offsets)/4-1, 0) }

// Pad ends rows without headers until there are so many.
func (b *HeadersBuilder) Pad(rows int) {
	for b.Rows() < rows {
		b.EndRow()
	}
}

// Truncate forgets all but the first rows, of which there have to be as many, and everything of a row that was begun.
func (b *HeadersBuilder) Truncate(rows int) {
	if b.heap.offsets == nil {
		b.heap.bytes = nil
		return
	}
	b.heap.truncate(min(rows, b.Rows()))
}

// EndRow ends a row.
func (b *HeadersBuilder) EndRow() {
	if b.heap.offsets == nil {
		b.heap.offsets = make([]byte, 4)
	}
	b.heap.end()
}

// Finish is the column, nil if no row has a header.
func (b *HeadersBuilder) Finish() *Column {
	if len(b.heap.bytes) == 0 {
		return nil
	}
	return &Column{Kind: Headers, Rows: len(b.heap.offsets)/4 - 1, Data: b.heap.data()}
}
