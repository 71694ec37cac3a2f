package batch

import (
	"fmt"
	"sort"
	"unicode/utf8"

	"millstream.dev/sdk/data"
)

// Check says what is wrong with the bytes of a batch: what the host would refuse. It is for tests; batches that the host
// hands over have been checked.
func Check(bytes []byte) (err error) {
	table, err := Open(bytes)
	if err != nil {
		return err
	}
	for _, most := range []struct {
		what        string
		found, most int
	}{
		{"rows", table.Rows, maxRows}, {"bytes", len(bytes), maxBytes}, {"columns", int(le.Uint32(bytes[12:])), maxColumns},
		{"schemas", table.Schemas.Len(), noSchema16 - 1}, {"blocks of keys", len(table.Keys.Blocks), maxBlocks},
		{"blocks of values", len(table.Values.Blocks), maxBlocks},
	} {
		if most.found > most.most {
			return fmt.Errorf("a batch may have %d %s, this one has %d", most.most, most.what, most.found)
		}
	}
	for place, encoded := range table.Schemas.bytes {
		if _, err := decodeSchema([]byte(encoded)); err != nil {
			return fmt.Errorf("schema %d: %w", place, err)
		}
	}
	if err := checkDirectory(bytes, table.Schemas.Len()); err != nil {
		return err
	}
	checker := checker{table: table, most: max(maxRows, 8*len(bytes))}
	seen := map[Role]bool{}
	for _, envelope := range table.Envelope {
		column := envelope.Column
		if seen[envelope.Role] || column.Rows != table.Rows || !fitsRole(envelope.Role, column) {
			return fmt.Errorf("the column of role %d stands twice, has not the rows of the batch or does not fit its role", envelope.Role)
		}
		seen[envelope.Role] = true
		if err := checker.column(column, fmt.Sprintf("the column of role %d", envelope.Role)); err != nil {
			return err
		}
	}
	for i, union := range []*Union{&table.Keys, &table.Values} {
		what := [...]string{"keys", "values"}[i]
		for _, block := range union.Blocks {
			if err := checker.column(block.Column, "a column of the "+what); err != nil {
				return err
			}
			if block.Column.Present != nil || !conforms(block.Column, block.Schema) {
				return fmt.Errorf("a block of the %s holds %v, which does not fit its schema", what, block.Column.Kind)
			}
		}
		if err := checkUnion(union, table.Rows); err != nil {
			return fmt.Errorf("the %s: %w", what, err)
		}
	}
	return nil
}

// checkDirectory looks at what a table does not keep: flags, places of schemas, overlapping buffers.
func checkDirectory(bytes []byte, schemas int) error {
	type claim struct{ at, end uint32 }
	claims := []claim{{0, headerLen}}
	take := func(at, size uint32) {
		if size > 0 {
			claims = append(claims, claim{at, at + size})
		}
	}
	directory, table := le.Uint32(bytes[16:]), le.Uint32(bytes[20:])
	take(directory, le.Uint32(bytes[12:])*nodeLen)
	take(table, uint32(schemas*schemaEntryLen))
	for i := range uint32(schemas) {
		entry := bytes[table+i*schemaEntryLen:]
		take(le.Uint32(entry[4:]), le.Uint32(entry[8:]))
	}
	tags := map[Role]bool{}
	for i := range le.Uint32(bytes[12:]) {
		node := bytes[directory+i*nodeLen:][:nodeLen]
		role, aux := Role(node[2]), le.Uint32(node[36:])
		isBlock := role == keyBlock || role == valueBlock
		if node[0] > byte(Headers) || node[1] > 7 || node[3] != 0 || isBlock && aux != noSchema && int(aux) >= schemas {
			return fmt.Errorf("directory entry %d has an unknown kind or flag, or a schema that is not there", i)
		}
		if (role == keyTags || role == valueTags) && (tags[role] || node[0] != byte(Int8) || node[1] != 0) {
			return fmt.Errorf("directory entry %d is no column of tags, or there are two", i)
		}
		tags[role] = true
		stored := le.Uint32(node[12:])
		if node[1]&flagConstant != 0 {
			if stored == 0 {
				return fmt.Errorf("directory entry %d is constant without a row", i)
			}
			stored = 1
		}
		take(le.Uint32(node[4:]), le.Uint32(node[8:]))
		take(le.Uint32(node[28:]), le.Uint32(node[32:]))
		if node[1]&flagValid != 0 {
			take(le.Uint32(node[20:]), (stored+7)/8)
		}
		if node[1]&flagPresent != 0 {
			take(le.Uint32(node[24:]), (stored+7)/8)
		}
	}
	sort.Slice(claims, func(i, j int) bool { return claims[i].at < claims[j].at })
	for i := 1; i < len(claims); i++ {
		if claims[i].at < claims[i-1].end {
			return fmt.Errorf("buffers overlap at byte %d", claims[i].at)
		}
	}
	return nil
}

type checker struct {
	table *Table
	most  int
}

// column checks a column with all beneath it.
func (c *checker) column(column *Column, what string) error {
	if column.Name != "" {
		what += " (" + column.Name + ")"
	}
	rows := column.stored()
	fault := func(text string) error { return fmt.Errorf("%s, of %v, %s", what, column.Kind, text) }
	if column.Rows > c.most || !utf8.ValidString(column.Name) {
		return fault("has too many rows or a name that is not UTF-8")
	}
	size, children := -1, 0
	switch width := column.Kind.width(); {
	case column.Kind == Null:
		size = 0
		if column.Valid != nil || column.Constant {
			return fault("is constant or has a validity bitmap")
		}
	case column.Kind == Struct || column.Kind == Object:
		size, children = 0, -1
	case column.Kind == Bool:
		size = (rows + 7) / 8
	case width > 0:
		size = width * rows
	case column.Kind == List || column.Kind == Map:
		size, children = 4*(rows+1), 1
		if column.Kind == Map {
			children = 2
		}
	}
	if column.Kind == Variant || column.Kind == Dictionary {
		children = 1
	}
	if size >= 0 && size != len(column.Data) || children >= 0 && children != len(column.Children) {
		return fault(fmt.Sprintf("has %d bytes and %d children for %d rows", len(column.Data), len(column.Children), rows))
	}
	for _, child := range column.Children {
		if err := c.column(child, what); err != nil {
			return err
		}
		if child.Present != nil && column.Kind != Object {
			return fault("has a child with a presence bitmap")
		}
	}
	switch {
	case column.Kind.isHeap():
		return c.heap(column, rows, fault)
	case column.Kind == List || column.Kind == Map:
		end, ok := checkOffsets(column.Data, rows)
		for _, child := range column.Children {
			ok = ok && child.Rows == end
		}
		if !ok {
			return fault("has offsets that go back, or children of another length")
		}
	case column.Kind == Struct || column.Kind == Object:
		names := map[string]bool{}
		for _, child := range column.Children {
			if child.Rows != rows || column.Kind == Object && names[child.Name] {
				return fault("has a child with another number of rows, or two of one name")
			}
			names[child.Name] = true
		}
	case column.Kind == Dictionary:
		words := column.Children[0]
		if words.Kind != String || words.Constant || words.HasNulls() {
			return fault("has a dictionary that is not plain text")
		}
		for at := 0; at < len(column.Data); at += 4 {
			if int(le.Uint32(column.Data[at:])) >= words.Rows {
				return fault("has a code outside its dictionary")
			}
		}
	}
	return nil
}

func (c *checker) heap(column *Column, rows int, fault func(string) error) error {
	if len(column.Data) < 4*(rows+1) {
		return fault("has fewer offsets than rows")
	}
	if end, ok := checkOffsets(column.Data, rows); !ok || end != len(column.Data)-4*(rows+1) {
		return fault("has offsets that go back, or do not end where its bytes do")
	}
	if column.Kind == Variant {
		words := column.Children[0]
		if words.Kind != String || words.Constant || words.HasNulls() || words.Rows > maxVariantNames {
			return fault("has a names dictionary that is not plain text, or too long")
		}
		names := map[string]bool{}
		for row := range words.Rows {
			if names[words.Text(row)] {
				return fault("has a names dictionary with a repetition")
			}
			names[words.Text(row)] = true
		}
	}
	for row := range rows {
		bytes, null := column.Bytes(row), column.IsNull(row)
		switch column.Kind {
		case String:
			if !utf8.Valid(bytes) {
				return fault(fmt.Sprintf("has text in row %d that is not UTF-8", row))
			}
		case Decimal:
			if null != (len(bytes) == 0) || !null && len(bytes) < 5 {
				return fault(fmt.Sprintf("has a decimal without digits in row %d, or digits under a null", row))
			}
		case Variant:
			if null && len(bytes) == 0 {
				continue
			}
			if null {
				return fault(fmt.Sprintf("has bytes under the null of row %d", row))
			}
			if err := checkVariant(bytes, column.Children[0], c.table.Schemas); err != nil {
				return fault(fmt.Sprintf("row %d: %v", row, err))
			}
		case Headers:
			if err := checkHeaders(bytes, c.table.Schemas); err != nil {
				return fault(fmt.Sprintf("row %d: %v", row, err))
			}
		}
	}
	return nil
}

func checkHeaders(rest []byte, schemas *Schemas) error {
	for len(rest) > 0 {
		if len(rest) < 4 || uint64(len(rest)) < 10+uint64(le.Uint32(rest)) {
			return errVariantCutOff
		}
		keyEnd := 4 + int(le.Uint32(rest))
		place, size := int(le.Uint16(rest[keyEnd:])), uint64(le.Uint32(rest[keyEnd+2:]))
		if !utf8.Valid(rest[4:keyEnd]) || place != noSchema16 && place >= schemas.Len() ||
			uint64(len(rest)-keyEnd-6) < size {
			return fmt.Errorf("a header is cut off, has a key that is not UTF-8, or a schema that is not there")
		}
		end := keyEnd + 6 + int(size)
		if err := checkVariant(rest[keyEnd+6:end], nil, schemas); err != nil {
			return err
		}
		rest = rest[end:]
	}
	return nil
}

func checkOffsets(bytes []byte, rows int) (end int, ok bool) {
	last := uint32(0)
	for row := range rows + 1 {
		offset := le.Uint32(bytes[row*4:])
		if offset < last || row == 0 && offset != 0 {
			return 0, false
		}
		last = offset
	}
	return int(last), true
}

func checkUnion(union *Union, rows int) error {
	if len(union.Blocks) == 0 && union.Tags == nil {
		return nil
	}
	counts := make([]int, 256)
	if union.Tags == nil {
		counts[0] = rows
	}
	if union.Tags != nil && len(union.Tags) != rows {
		return fmt.Errorf("there are %d tags for %d rows", len(union.Tags), rows)
	}
	for _, tag := range union.Tags {
		counts[tag]++
	}
	for i, block := range union.Blocks {
		if block.Column.Rows != counts[i] {
			return fmt.Errorf("block %d has %d rows, its tags say %d", i, block.Column.Rows, counts[i])
		}
		rows -= counts[i]
	}
	if rows != 0 {
		return fmt.Errorf("%d rows are in no block", rows)
	}
	return nil
}

func fitsRole(role Role, column *Column) bool {
	full := column.Valid == nil && column.Kind != Null
	nullable := func(kind Kind) bool { return column.Kind == kind || column.Kind == Null }
	if column.Present != nil {
		return false
	}
	switch role {
	case Topic, OriginalTopic:
		return nullable(String) || column.Kind == Dictionary
	case Partition, OriginalPartition:
		return nullable(Int32)
	case Timestamp, Offset, OriginalOffset:
		return nullable(Int64)
	case TimestampType:
		return full && column.Kind == Int8
	case HeadersRole:
		return full && column.Kind == Headers
	case SourcePartition, SourceOffset:
		return (nullable(Object) || column.Kind == Variant) && isSchemaless(column)
	case Origin, Child:
		return full && column.Kind == Int32
	case Selection:
		return full && column.Kind == Bool
	}
	return isSchemaless(column)
}

func isSchemaless(column *Column) bool {
	switch column.Kind {
	case Struct, Headers, Dictionary:
		return false
	case List, Map, Object:
		for _, child := range column.Children {
			if !isSchemaless(child) {
				return false
			}
		}
	}
	return true
}

// conforms says whether a column is what its schema calls for. Values that break it stand in a variant column, which is
// allowed anywhere.
func conforms(column *Column, schema *data.Schema) bool {
	if column.Kind == Null || column.Kind == Variant {
		return true
	}
	if schema == nil {
		return isSchemaless(column)
	}
	if column.Kind != KindOf(schema) {
		return false
	}
	switch column.Kind {
	case List:
		return conforms(column.Children[0], schema.Element)
	case Map:
		return conforms(column.Children[0], schema.Key) && conforms(column.Children[1], schema.Value)
	case Struct:
		if len(column.Children) != len(schema.Fields) {
			return false
		}
		for i, child := range column.Children {
			if child.Name != schema.Fields[i].Name || !conforms(child, schema.Fields[i].Schema) {
				return false
			}
		}
	}
	return true
}
