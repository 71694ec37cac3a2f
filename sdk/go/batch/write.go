package batch

import "fmt"

// Bytes writes the batch. Buffers that nothing refers to any more are left behind.
//
// It fails for a table that does not fit together, such as blocks that do not have all rows: a mistake of the code that
// edited it.
func (t *Table) Bytes() ([]byte, error) {
	size, nodes := headerLen+2*alignment, 0
	for _, envelope := range t.Envelope {
		measure(envelope.Column, &size, &nodes)
	}
	for _, union := range []*Union{&t.Keys, &t.Values} {
		size, nodes = size+len(union.Tags)+alignment, nodes+1
		for _, block := range union.Blocks {
			measure(block.Column, &size, &nodes)
		}
	}
	for _, encoded := range t.Schemas.bytes {
		size += len(encoded) + schemaEntryLen
	}
	w := writer{out: make([]byte, headerLen, size+nodes*nodeLen), directory: make([]byte, 0, nodes*nodeLen)}
	for _, envelope := range t.Envelope {
		if envelope.Column.Rows != t.Rows {
			return nil, fmt.Errorf("the column of role %d has %d rows, the batch has %d", envelope.Role, envelope.Column.Rows, t.Rows)
		}
		w.column(envelope.Column, envelope.Role, noSchema)
	}
	if err := w.union(t, &t.Keys, keyTags, keyBlock, "keys"); err != nil {
		return nil, err
	}
	if err := w.union(t, &t.Values, valueTags, valueBlock, "values"); err != nil {
		return nil, err
	}
	at := len(w.out)
	for _, encoded := range t.Schemas.bytes {
		w.out = append(w.out, encoded...)
	}
	w.align()
	table := len(w.out)
	for _, encoded := range t.Schemas.bytes {
		w.out = le.AppendUint32(w.out, 0)
		w.out = le.AppendUint32(w.out, uint32(at))
		w.out = le.AppendUint32(w.out, uint32(len(encoded)))
		at += len(encoded)
	}
	w.align()
	directory := len(w.out)
	w.out = append(w.out, w.directory...)
	if len(w.out) > maxBytes {
		return nil, fmt.Errorf("the batch has %d bytes, more than the %d that one may have: return fewer records at a time", len(w.out), maxBytes)
	}
	copy(w.out, magic)
	w.out[4] = version
	for i, number := range []int{
		t.Rows, len(w.directory) / nodeLen, directory, table, len(t.Schemas.bytes), len(w.out),
	} {
		le.PutUint32(w.out[8+4*i:], uint32(number))
	}
	return w.out, nil
}

func measure(column *Column, size, nodes *int) {
	*size += len(column.Name) + len(column.Data) + len(column.Valid) + len(column.Present) + 3*alignment
	*nodes++
	for _, child := range column.Children {
		measure(child, size, nodes)
	}
}

type writer struct{ out, directory []byte }

func (w *writer) align() {
	for len(w.out)%alignment != 0 {
		w.out = append(w.out, 0)
	}
}

// buffer is where the bytes stand, aligned.
func (w *writer) buffer(bytes []byte) uint32 {
	if len(bytes) == 0 {
		return 0
	}
	w.align()
	at := len(w.out)
	w.out = append(w.out, bytes...)
	return uint32(at)
}

func (w *writer) union(t *Table, union *Union, tags, block Role, what string) error {
	total := 0
	for _, block := range union.Blocks {
		total += block.Column.Rows
	}
	if len(union.Blocks) > 0 && total != t.Rows || len(union.Blocks) > 1 && union.Tags == nil {
		return fmt.Errorf("the blocks of the %s have %d rows, the batch has %d, and with several blocks each row needs a tag", what, total, t.Rows)
	}
	if union.Tags != nil {
		if len(union.Tags) != t.Rows {
			return fmt.Errorf("the %s have %d tags, the batch has %d rows", what, len(union.Tags), t.Rows)
		}
		w.column(&Column{Kind: Int8, Rows: t.Rows, Data: union.Tags}, tags, noSchema)
	}
	for _, one := range union.Blocks {
		place := uint32(noSchema)
		if one.Schema != nil {
			found, err := t.Schemas.Place(one.Schema)
			if err != nil {
				return err
			}
			place = uint32(found)
		}
		w.column(one.Column, block, place)
	}
	return nil
}

func (w *writer) column(column *Column, role Role, aux uint32) {
	if column.Constant && column.Rows == 0 {
		column = column.Take(nil)
	}
	name := uint32(0)
	if column.Name != "" {
		name = uint32(len(w.out))
		w.out = append(w.out, column.Name...)
	}
	var flags byte
	if column.Constant {
		flags |= flagConstant
	}
	bitmap := (column.stored() + 7) / 8
	var valid, present uint32
	if column.Valid != nil && column.Kind != Null {
		flags |= flagValid
		valid = w.buffer(column.Valid[:bitmap])
	}
	if column.Present != nil {
		flags |= flagPresent
		present = w.buffer(column.Present[:bitmap])
	}
	at := w.buffer(column.Data)
	d := append(w.directory, byte(column.Kind), flags, byte(role), 0)
	for _, word := range [...]uint32{
		name, uint32(len(column.Name)), uint32(column.Rows), uint32(len(column.Children)), valid, present, at,
		uint32(len(column.Data)), aux,
	} {
		d = le.AppendUint32(d, word)
	}
	w.directory = d
	for _, child := range column.Children {
		w.column(child, none, noSchema)
	}
}
