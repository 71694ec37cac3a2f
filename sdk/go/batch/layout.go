// Package batch reads, edits and writes Millstream's batches: records as columns, in the format that batch.md beside the
// contract specifies.
//
// [Open] makes a [Table] of a batch's bytes without copying them; [Table.Bytes] writes one. A column is read by row
// ([Column.Int64], [Column.Text], …) and replaced as a whole, mostly by one that [Texts], [Int64s], [MapText] or a
// [Builder] made. What is not replaced survives as it is, whatever it means.
package batch

import (
	"encoding/binary"

	"millstream.dev/sdk/data"
)

var le = binary.LittleEndian

const (
	magic          = "MSB1"
	version        = 1
	headerLen      = 32
	nodeLen        = 40
	schemaEntryLen = 12
	alignment      = 8
	noSchema       = 0xFFFFFFFF
	noSchema16     = 0xFFFF
	inlineName     = 0xFFFF

	flagConstant = 1
	flagValid    = 2
	flagPresent  = 4

	maxNesting      = 24 // Columns of what a builder makes; deeper values become variants. The format allows 64.
	maxVariantDepth = 1000
	maxSchemaDepth  = 64
	maxVariantNames = 4096
	maxBlocks       = 255
	maxColumnDepth  = 64
	maxRows         = 1 << 20
	maxBytes        = 1 << 26
	maxColumns      = 1 << 16
)

// Kind says what a column holds and how it is laid out.
type Kind uint8

// The kinds of the format. Which of a column's reading functions applies follows from its kind.
const (
	Null       Kind = iota // nothing but nulls
	Bool                   // Column.Bool
	Int8                   // Column.Int
	Int16                  // Column.Int
	Int32                  // Column.Int
	Int64                  // Column.Int
	Float32                // Column.Float
	Float64                // Column.Float
	String                 // Column.Text
	Bytes                  // Column.Bytes
	Decimal                // Column.Decimal
	Instant                // Column.Int: milliseconds since 1970-01-01 UTC
	List                   // Column.Range, and the elements in Children[0]
	Map                    // Column.Range, keys in Children[0] and values in Children[1]
	Struct                 // Children: one per field, with as many rows
	Object                 // Children: one per key of the schemaless maps, with as many rows, each with a presence bitmap
	Variant                // Column.Value: any value
	Dictionary             // Column.Text
	Headers                // Column.Headers
)

var kindNames = [...]string{
	"nulls", "booleans", "int8", "int16", "int32", "int64", "float32", "float64", "text", "bytes", "decimals", "instants",
	"lists", "maps", "structs", "schemaless maps", "variants", "dictionary text", "headers",
}

// String names the kind in messages.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown kind"
}

// width is the bytes per row of fixed-width kinds, 0 for all others.
func (k Kind) width() int {
	switch k {
	case Int8:
		return 1
	case Int16:
		return 2
	case Int32, Float32, Dictionary:
		return 4
	case Int64, Float64, Instant:
		return 8
	}
	return 0
}

func (k Kind) isHeap() bool {
	return k == String || k == Bytes || k == Decimal || k == Variant || k == Headers
}

// Role says what a column of the envelope is for. Roles that nobody knows are kept.
type Role uint8

// The roles of the format.
const (
	none              Role = 0
	Topic             Role = 1  // String or Dictionary
	Partition         Role = 2  // Int32, nullable
	Timestamp         Role = 3  // Int64 in ms, nullable
	TimestampType     Role = 4  // Int8: 0 none, 1 create, 2 log append
	HeadersRole       Role = 5  // Headers
	SourcePartition   Role = 6  // schemaless maps
	SourceOffset      Role = 7  // schemaless maps
	Offset            Role = 8  // Int64, nullable
	OriginalTopic     Role = 9  // as Topic: before any transform
	OriginalPartition Role = 10 // as Partition
	OriginalOffset    Role = 11 // as Offset
	Origin            Role = 12 // Int32: row of the first batch that the row came from
	Child             Role = 13 // Int32: number among the rows that one origin became
	Selection         Role = 14 // Bool: rows still under way
	keyTags           Role = 15
	valueTags         Role = 16
	keyBlock          Role = 17
	valueBlock        Role = 18
)

// KindOf is the kind of column that holds values of a schema; of schemaless values any kind may.
func KindOf(schema *data.Schema) Kind {
	switch {
	case schema.IsDecimal():
		return Decimal
	case schema.IsInstant():
		return Instant
	}
	return [...]Kind{Int8, Int16, Int32, Int64, Float32, Float64, Bool, String, Bytes, List, Map, Struct}[schema.Type]
}
