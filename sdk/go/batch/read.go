package batch

import (
	"fmt"
	"strings"
	"unsafe"
)

// Open opens a batch. The table refers to the bytes, which must not be changed afterwards.
//
// It trusts that they are a batch, as those are that the host hands over, and finds out only whether they begin like one
// and their directory is sound. [Check] looks at everything.
func Open(bytes []byte) (*Table, error) {
	if len(bytes) < headerLen || string(bytes[:4]) != magic || le.Uint16(bytes[4:]) != version {
		return nil, fmt.Errorf("this is no batch of format %d", version)
	}
	if le.Uint32(bytes[28:]) != uint32(len(bytes)) {
		return nil, fmt.Errorf("the batch says that it has %d bytes, and has %d", le.Uint32(bytes[28:]), len(bytes))
	}
	reader := reader{bytes: bytes}
	table := NewTable(int(le.Uint32(bytes[8:])))
	entries := reader.slice(uint64(le.Uint32(bytes[20:])), uint64(le.Uint32(bytes[24:]))*schemaEntryLen)
	for ; len(entries) >= schemaEntryLen; entries = entries[schemaEntryLen:] {
		encoded := reader.slice(uint64(le.Uint32(entries[4:])), uint64(le.Uint32(entries[8:])))
		table.Schemas.bytes = append(table.Schemas.bytes, textOf(encoded))
		table.Schemas.parsed = append(table.Schemas.parsed, nil)
	}
	reader.nodes = reader.slice(uint64(le.Uint32(bytes[16:])), uint64(le.Uint32(bytes[12:]))*nodeLen)
	for len(reader.nodes) >= nodeLen && reader.fault == nil {
		role, aux := Role(reader.nodes[2]), le.Uint32(reader.nodes[36:])
		column := reader.column(0)
		block := func() *Block {
			block := &Block{Column: column}
			if aux != noSchema {
				var err error
				if block.Schema, err = table.Schemas.get(int(aux)); err != nil && reader.fault == nil {
					reader.fault = err
				}
			}
			return block
		}
		switch role {
		case keyTags:
			table.Keys.Tags = column.Data
		case valueTags:
			table.Values.Tags = column.Data
		case keyBlock:
			table.Keys.Blocks = append(table.Keys.Blocks, block())
		case valueBlock:
			table.Values.Blocks = append(table.Values.Blocks, block())
		default:
			table.Envelope = append(table.Envelope, Envelope{role, column})
		}
	}
	return table, reader.fault
}

// textOf is bytes as text without a copy. Schemas outlive their batch in the cache, so what goes there is cloned.
func textOf(bytes []byte) string {
	return strings.Clone(unsafe.String(unsafe.SliceData(bytes), len(bytes)))
}

type reader struct {
	bytes, nodes []byte
	fault        error
}

func (r *reader) slice(at, size uint64) []byte {
	if at+size > uint64(len(r.bytes)) {
		if r.fault == nil {
			r.fault = fmt.Errorf("the batch has %d bytes and refers to byte %d", len(r.bytes), at+size)
		}
		return nil
	}
	return r.bytes[at : at+size : at+size]
}

// column reads the next directory entry and those of its children.
func (r *reader) column(depth int) *Column {
	if len(r.nodes) < nodeLen || depth >= maxColumnDepth {
		if r.fault == nil {
			r.fault = fmt.Errorf("the batch's directory counts more columns than it has, or they are nested too deep")
		}
		return Nulls(0)
	}
	node := r.nodes[:nodeLen]
	r.nodes = r.nodes[nodeLen:]
	column := &Column{
		Kind:     Kind(node[0]),
		Constant: node[1]&flagConstant != 0,
		Rows:     int(le.Uint32(node[12:])),
		Data:     r.slice(uint64(le.Uint32(node[28:])), uint64(le.Uint32(node[32:]))),
	}
	if name := r.slice(uint64(le.Uint32(node[4:])), uint64(le.Uint32(node[8:]))); len(name) > 0 {
		column.Name = unsafe.String(unsafe.SliceData(name), len(name))
	}
	bitmap := uint64(column.stored()+7) / 8
	if node[1]&flagValid != 0 {
		column.Valid = Bits(r.slice(uint64(le.Uint32(node[20:])), bitmap))
	}
	if node[1]&flagPresent != 0 {
		column.Present = Bits(r.slice(uint64(le.Uint32(node[24:])), bitmap))
	}
	if children := int(le.Uint32(node[16:])); children > 0 && children <= len(r.nodes)/nodeLen {
		column.Children = make([]*Column, children)
		for i := range column.Children {
			column.Children[i] = r.column(depth + 1)
		}
	}
	return column
}
