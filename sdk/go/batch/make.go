package batch

import (
	"math"
	"strings"
	"unicode/utf8"
)

// heap is offsets, the first one 0, and the bytes of many rows.
type heap struct{ offsets, bytes []byte }

func newHeap(rows int) heap { return heap{offsets: make([]byte, (rows+1)*4)} }

func (h *heap) end() { h.offsets = le.AppendUint32(h.offsets, uint32(len(h.bytes))) }

func (h *heap) truncate(rows int) {
	h.offsets = h.offsets[:(rows+1)*4]
	h.bytes = h.bytes[:lastOffset(h.offsets)]
}

func (h *heap) data() []byte { return append(h.offsets, h.bytes...) }

func lastOffset(offsets []byte) int { return int(le.Uint32(offsets[len(offsets)-4:])) }

// Nulls is a column of nothing but nulls.
func Nulls(rows int) *Column { return &Column{Kind: Null, Rows: rows} }

// Texts is a column of text without nulls.
func Texts(texts []string) *Column {
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	data, end := make([]byte, 0, 4*(len(texts)+1)+size), uint32(0)
	data = le.AppendUint32(data, 0)
	for _, text := range texts {
		end += uint32(len(text))
		data = le.AppendUint32(data, end)
	}
	for _, text := range texts {
		data = append(data, text...)
	}
	return &Column{Kind: String, Rows: len(texts), Data: data}
}

// ConstantText is one text for all rows, which takes no more room than one.
func ConstantText(rows int, text string) *Column {
	column := Texts([]string{text})
	if rows == 0 {
		return Texts(nil)
	}
	column.Constant, column.Rows = true, rows
	return column
}

// Coded is a column of text from a dictionary, as topics are: a code for each row, which is the place of its text.
func Coded(codes []uint32, texts []string) *Column {
	data := make([]byte, 0, 4*len(codes))
	for _, code := range codes {
		data = le.AppendUint32(data, code)
	}
	return &Column{Kind: Dictionary, Rows: len(codes), Data: data, Children: []*Column{Texts(texts)}}
}

// Int64s is a column of INT64 without nulls.
func Int64s(numbers []int64) *Column {
	data := make([]byte, 0, 8*len(numbers))
	for _, number := range numbers {
		data = le.AppendUint64(data, uint64(number))
	}
	return &Column{Kind: Int64, Rows: len(numbers), Data: data}
}

// Int32s is a column of INT32 without nulls.
func Int32s(numbers []int32) *Column {
	data := make([]byte, 0, 4*len(numbers))
	for _, number := range numbers {
		data = le.AppendUint32(data, uint32(number))
	}
	return &Column{Kind: Int32, Rows: len(numbers), Data: data}
}

// Float64s is a column of FLOAT64 without nulls.
func Float64s(numbers []float64) *Column {
	data := make([]byte, 0, 8*len(numbers))
	for _, number := range numbers {
		data = le.AppendUint64(data, math.Float64bits(number))
	}
	return &Column{Kind: Float64, Rows: len(numbers), Data: data}
}

// Bools is a column of BOOLEAN without nulls.
func Bools(values []bool) *Column {
	bits := NewBits(len(values), false)
	for i, value := range values {
		bits.Set(i, value)
	}
	return &Column{Kind: Bool, Rows: len(values), Data: bits}
}

// MapText is a column of text with each text that is not null replaced; nulls stay. The function appends to out what
// text becomes, and returns the extended slice, as append does.
//
// A column of another kind is returned as it is.
func MapText(column *Column, change func(out []byte, text string) []byte) *Column {
	changed := *column
	switch column.Kind {
	case Dictionary:
		changed.Children = []*Column{MapText(column.Children[0], change)}
	case String:
		rows := column.stored()
		// Offsets come first and take a known room, so that the texts can be appended behind them at once.
		data := make([]byte, (rows+1)*4, len(column.Data)+len(column.Data)/8)
		for row := range rows {
			if !column.IsNull(row) {
				data = change(data, column.Text(row))
			}
			le.PutUint32(data[(row+1)*4:], uint32(len(data)-(rows+1)*4))
		}
		changed.Data = data
	}
	return &changed
}

// AppendUpper appends a text in capitals: for [MapText], since it takes no memory of its own where the text is ASCII.
func AppendUpper(out []byte, text string) []byte {
	for i := range len(text) {
		c := text[i]
		if c >= utf8.RuneSelf {
			return append(out[:len(out)-i], strings.ToUpper(text)...)
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}

// AppendLower appends a text in small letters, as AppendUpper does in capitals.
func AppendLower(out []byte, text string) []byte {
	for i := range len(text) {
		c := text[i]
		if c >= utf8.RuneSelf {
			return append(out[:len(out)-i], strings.ToLower(text)...)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}
