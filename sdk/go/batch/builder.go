package batch

import "millstream.dev/sdk/data"

// Builder makes a column row by row.
//
// One for schemaless data takes the shape of what arrives: maps whose members agree become columns, and what does not
// agree becomes variants, for that column alone. One for a schema begins with the schema's shape; a value that breaks it
// makes variants as well, and survives.
type Builder struct {
	kind           Kind // Null: nothing but nulls so far; the first value decides.
	rows, depth    int
	valid, present bitBuilder
	schema         *data.Schema
	fixed          []byte // Bool and fixed-width kinds; offsets of List and Map.
	heap           heap
	kids           []*Builder
	members        *members
	words          *names
	copied         stretch
}

// NewBuilder is for schemaless data.
func NewBuilder() *Builder { return &Builder{} }

// NewBuilderFor is for values of a schema; nil is schemaless data.
func NewBuilderFor(schema *data.Schema) *Builder { return builderFor(schema, 0) }

func builderFor(schema *data.Schema, depth int) *Builder {
	b := &Builder{depth: depth, schema: schema}
	if schema == nil {
		return b
	}
	b.kind = KindOf(schema)
	switch b.kind {
	case List, Map, Struct:
		if depth >= maxNesting {
			b.kind, b.heap, b.words = Variant, newHeap(0), &names{}
			return b
		}
		b.fixed = make([]byte, 4)
		switch b.kind {
		case List:
			b.kids = []*Builder{builderFor(schema.Element, depth+1)}
		case Map:
			b.kids = []*Builder{builderFor(schema.Key, depth+1), builderFor(schema.Value, depth+1)}
		case Struct:
			b.fixed = nil
			for _, field := range schema.Fields {
				b.kids = append(b.kids, builderFor(field.Schema, depth+1))
			}
		}
	default:
		if b.kind.isHeap() {
			b.heap = newHeap(0)
		}
	}
	return b
}

// Rows is the number of rows so far.
func (b *Builder) Rows() int { return b.rows + b.copied.count }

func (b *Builder) accept() {
	if b.valid.bits != nil {
		b.valid.push(b.rows, true)
	}
	if b.present.bits != nil {
		b.present.push(b.rows, true)
	}
	b.rows++
}

// AppendNull appends a null.
func (b *Builder) AppendNull() { b.appendNull() }

// appendNull appends a null and returns the cells that it takes.
func (b *Builder) appendNull() int {
	b.settle()
	cells := b.fill()
	b.valid.push(b.rows, false)
	b.present.push(b.rows, true)
	b.rows++
	return cells
}

// appendAbsent appends rows whose map lacks the key.
func (b *Builder) appendAbsent(count int) (cells int) {
	b.settle()
	for range count {
		cells += b.fill()
		b.valid.push(b.rows, true)
		b.present.push(b.rows, false)
		b.rows++
	}
	return cells
}

// fill appends what stands under a null.
func (b *Builder) fill() int {
	switch width := b.kind.width(); {
	case b.kind == Null:
	case b.kind == Bool:
		if b.rows&7 == 0 {
			b.fixed = append(b.fixed, 0)
		}
	case width > 0:
		b.fixed = append(b.fixed, make([]byte, width)...)
	case b.kind.isHeap():
		b.heap.end()
	case b.kind == List || b.kind == Map:
		b.fixed = append(b.fixed, b.fixed[len(b.fixed)-4:]...)
	case b.kind == Struct:
		cells := 0
		for _, kid := range b.kids {
			cells += kid.appendNull()
		}
		return cells
	case b.kind == Object:
		cells := 0
		for _, member := range b.kids {
			cells += member.appendAbsent(1)
		}
		b.members.empty += cells
		return cells
	}
	return 1
}

// Truncate forgets all but the first rows.
func (b *Builder) Truncate(rows int) { b.truncate(rows) }

// truncate forgets all but the first rows, and everything of a row that was begun.
func (b *Builder) truncate(rows int) {
	b.settle()
	if b.rows > rows {
		b.rows = rows
		b.valid.truncate(rows)
		b.present.truncate(rows)
	}
	rows = b.rows
	switch width := b.kind.width(); {
	case b.kind == Null:
	case b.kind == Bool:
		b.fixed = b.fixed[:(rows+7)/8]
		Bits(b.fixed).clearTail(rows)
	case width > 0:
		b.fixed = b.fixed[:rows*width]
	case b.kind.isHeap():
		b.heap.truncate(rows)
	case b.kind == List || b.kind == Map:
		b.fixed = b.fixed[:(rows+1)*4]
		for _, kid := range b.kids {
			kid.truncate(lastOffset(b.fixed))
		}
	default:
		for _, kid := range b.kids {
			kid.truncate(rows)
		}
	}
}

// becomeVariant turns what is there into variants.
func (b *Builder) becomeVariant(schemas *Schemas) {
	if b.kind == Variant {
		return
	}
	heap, words := newHeap(0), &names{}
	if b.kind == Null {
		heap = newHeap(b.rows)
	} else {
		b.truncate(b.rows)
		column := b.finish()
		column.Present = b.present.finish(b.rows)
		writer := variantWriter{names: words, schemas: schemas}
		for row := range b.rows {
			if !column.IsNull(row) {
				// What came out of a column can be written: its depth and schemas were accepted.
				if err := writer.value(column.Value(row, b.schema, schemas), 0); err != nil {
					panic("batch: a stored value cannot be written: " + err.Error())
				}
			}
			heap.bytes = writer.out
			heap.end()
		}
	}
	b.kind, b.heap, b.words = Variant, heap, words
	b.fixed, b.kids, b.members = nil, nil, nil
}

// Finish is the column of the rows appended so far. The builder is not to be used afterwards.
func (b *Builder) Finish() *Column { return b.finish() }

func (b *Builder) finish() *Column {
	if whole := b.copied.column; whole != nil && b.rows == 0 && b.copied.count == whole.Rows {
		// Every row is one of the same column, in its order: it is that column.
		column := *whole
		column.Name, column.Present = "", nil
		return &column
	}
	b.settle()
	column := &Column{Kind: b.kind, Rows: b.rows}
	switch width := b.kind.width(); {
	case b.kind == Null:
		return column
	case b.kind == Bool || width > 0:
		column.Data = b.fixed
	case b.kind.isHeap():
		// The offsets have to stay as they are if the builder becomes variants.
		column.Data = append(append(make([]byte, 0, len(b.heap.offsets)+len(b.heap.bytes)), b.heap.offsets...), b.heap.bytes...)
		if b.kind == Variant {
			column.Children = []*Column{Texts(b.words.list)}
		}
	case b.kind == List || b.kind == Map:
		column.Data = b.fixed
		for _, kid := range b.kids {
			column.Children = append(column.Children, kid.finish())
		}
	case b.kind == Struct:
		for i, kid := range b.kids {
			column.Children = append(column.Children, kid.finish().WithName(b.schema.Fields[i].Name))
		}
	case b.kind == Object:
		for i, kid := range b.kids {
			member := kid.finish()
			member.Name, member.Present = b.members.names[i], kid.present.finish(kid.rows)
			column.Children = append(column.Children, member)
		}
	}
	column.Valid = b.valid.finish(b.rows)
	return column
}
