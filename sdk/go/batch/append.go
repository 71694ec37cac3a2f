package batch

import (
	"math"
	"math/big"
	"time"
	"unicode/utf8"

	"millstream.dev/sdk/data"
)

// Append appends a value of package data. Schemas of structs go to the table's schemas. After an error, the value being
// one that no batch can carry, the column is as it was.
func (b *Builder) Append(value any, schemas *Schemas) error {
	b.settle()
	rows := b.rows
	err := b.append(value, schemas)
	if err != nil {
		b.truncate(rows)
	}
	return err
}

// Pad appends nulls until there are so many rows.
func (b *Builder) Pad(rows int) {
	b.settle()
	for b.rows < rows {
		b.appendNull()
	}
}

// AppendInt32 appends an INT32.
func (b *Builder) AppendInt32(number int32) {
	b.settle()
	if !b.appendFixed(Int32, uint64(number)) {
		// A number always fits into a variant.
		_ = b.appendVariant(number, nil)
	}
}

// AppendInt64 appends an INT64.
func (b *Builder) AppendInt64(number int64) {
	b.settle()
	if !b.appendFixed(Int64, uint64(number)) {
		_ = b.appendVariant(number, nil)
	}
}

// AppendText appends a text.
func (b *Builder) AppendText(text string) error {
	b.settle()
	if !utf8.ValidString(text) {
		return errNotUTF8
	}
	if !b.appendHeap(String, text) {
		return b.appendVariant(text, nil)
	}
	return nil
}

func (b *Builder) append(value any, schemas *Schemas) error {
	b.settle()
	done := false
	switch value := value.(type) {
	case nil:
		b.appendNull()
		return nil
	case bool:
		done = b.appendBool(value)
	case int8:
		done = b.appendFixed(Int8, uint64(value))
	case int16:
		done = b.appendFixed(Int16, uint64(value))
	case int32:
		done = b.appendFixed(Int32, uint64(value))
	case int64:
		done = b.appendFixed(Int64, uint64(value))
	case int:
		return b.append(b.sized(value), schemas)
	case float32:
		done = b.appendFixed(Float32, uint64(math.Float32bits(value)))
	case float64:
		done = b.appendFixed(Float64, math.Float64bits(value))
	case time.Time:
		done = b.appendFixed(Instant, uint64(value.UnixMilli()))
	case string:
		if !utf8.ValidString(value) {
			return errNotUTF8
		}
		done = b.appendHeap(String, value)
	case []byte:
		if done = b.become(Bytes); done {
			b.heap.bytes = append(b.heap.bytes, value...)
			b.heap.end()
			b.accept()
		}
	case data.Decimal:
		if done = b.become(Decimal); done {
			b.heap.bytes = appendBig(le.AppendUint32(b.heap.bytes, uint32(value.Scale)), unscaledOf(value))
			b.heap.end()
			b.accept()
		}
	case *big.Int:
	case []any:
		if done = b.become(List); done {
			for _, item := range value {
				if err := b.kids[0].append(item, schemas); err != nil {
					return err
				}
			}
			b.fixed = le.AppendUint32(b.fixed, uint32(b.kids[0].rows))
			b.accept()
		}
	case *data.Map:
		var err error
		if done, err = b.appendMap(value, schemas); err != nil {
			return err
		}
	case *data.Struct:
		if done = b.kind == Struct && value.Schema().Equal(b.schema); done {
			source, row := value.Source()
			fields, lazy := source.(*structFields)
			for i, kid := range b.kids {
				if lazy && value.IsUnread(i) && kid.appendCell(fields.column.Children[i], fields.column.at(row)) {
					continue // Nobody has looked at it: it was copied as it stands.
				}
				if err := kid.append(value.At(i), schemas); err != nil {
					return err
				}
			}
			b.accept()
		}
	default:
		plain, err := data.PlainFor(value, b.schema)
		if err != nil {
			return err
		}
		return b.append(plain, schemas)
	}
	if done {
		return nil
	}
	return b.appendVariant(value, schemas)
}

// sized is a plain int as what the column's schema calls for, if it fits.
func (b *Builder) sized(value int) any {
	switch {
	case b.kind == Int8 && value == int(int8(value)):
		return int8(value)
	case b.kind == Int16 && value == int(int16(value)):
		return int16(value)
	case b.kind == Int32 && value == int(int32(value)):
		return int32(value)
	}
	return int64(value)
}

func (b *Builder) appendVariant(value any, schemas *Schemas) error {
	b.becomeVariant(schemas)
	writer := variantWriter{out: b.heap.bytes, names: b.words, schemas: schemas}
	err := writer.value(value, 0)
	b.heap.bytes = writer.out
	if err != nil {
		return err
	}
	b.heap.end()
	b.accept()
	return nil
}

// become says whether the column holds this kind, which it decides for with its first value.
func (b *Builder) become(kind Kind) bool {
	if b.kind == kind {
		return true
	}
	if b.kind != Null {
		return false
	}
	switch width := kind.width(); {
	case kind == Bool:
		b.fixed = make([]byte, (b.rows+7)/8)
	case width > 0:
		b.fixed = make([]byte, b.rows*width)
	case kind.isHeap():
		b.heap = newHeap(b.rows)
	case b.depth >= maxNesting || kind == Map || kind == Struct:
		return false
	case kind == List:
		b.fixed, b.kids = make([]byte, (b.rows+1)*4), []*Builder{{depth: b.depth + 1}}
	case kind == Object:
		b.members = &members{}
	}
	b.kind = kind
	return true
}

func (b *Builder) appendBool(value bool) bool {
	if !b.become(Bool) {
		return false
	}
	if b.rows&7 == 0 {
		b.fixed = append(b.fixed, 0)
	}
	Bits(b.fixed).Set(b.rows, value)
	b.accept()
	return true
}

func (b *Builder) appendFixed(kind Kind, bits uint64) bool {
	if !b.become(kind) {
		return false
	}
	switch kind.width() {
	case 1:
		b.fixed = append(b.fixed, byte(bits))
	case 2:
		b.fixed = le.AppendUint16(b.fixed, uint16(bits))
	case 4:
		b.fixed = le.AppendUint32(b.fixed, uint32(bits))
	case 8:
		b.fixed = le.AppendUint64(b.fixed, bits)
	}
	b.accept()
	return true
}

func (b *Builder) appendHeap(kind Kind, text string) bool {
	if !b.become(kind) {
		return false
	}
	b.heap.bytes = append(b.heap.bytes, text...)
	b.heap.end()
	b.accept()
	return true
}
