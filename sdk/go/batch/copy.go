package batch

// stretch is rows of a column, one behind the other, that a builder has been given and not copied yet.
type stretch struct {
	column      *Column
	from, count int
}

// appendCell appends a cell as it stands, if its kind is one that allows it. Neighbours are copied together, and a column of
// which all cells come in their order is not copied at all.
func (b *Builder) appendCell(column *Column, row int) bool {
	if c := &b.copied; c.column == column && c.from+c.count == row {
		c.count++
		return true
	}
	if column.Kind != b.kind || column.Constant || column.Present != nil {
		return false
	}
	switch column.Kind {
	case Bool, Int8, Int16, Int32, Int64, Float32, Float64, Instant, String, Bytes, Decimal:
		b.settle()
		b.copied = stretch{column, row, 1}
		return true
	}
	return false
}

// settle copies what was given and not copied yet.
func (b *Builder) settle() {
	if b.copied.column != nil {
		b.copyStretch()
	}
}

func (b *Builder) copyStretch() {
	column, from, count := b.copied.column, b.copied.from, b.copied.count
	b.copied = stretch{}
	switch width := column.Kind.width(); {
	case column.Kind == Bool:
		for at := range count {
			if (b.rows+at)&7 == 0 {
				b.fixed = append(b.fixed, 0)
			}
			Bits(b.fixed).Set(b.rows+at, column.Bool(from+at))
		}
	case width > 0:
		b.fixed = append(b.fixed, column.Data[from*width:(from+count)*width]...)
	default:
		offset := func(row int) int { return int(le.Uint32(column.Data[row*4:])) }
		begin, moved := offset(from), len(b.heap.bytes)
		for at := range count {
			b.heap.offsets = le.AppendUint32(b.heap.offsets, uint32(moved+offset(from+at+1)-begin))
		}
		texts := column.Data[(column.Rows+1)*4:]
		b.heap.bytes = append(b.heap.bytes, texts[begin:offset(from+count)]...)
	}
	for at := range count {
		b.valid.push(b.rows+at, column.Valid.Get(from+at))
	}
	if b.present.bits != nil {
		for at := range count {
			b.present.push(b.rows+at, true)
		}
	}
	b.rows += count
}
