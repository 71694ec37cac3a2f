package batch

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"
	"unicode/utf8"

	"millstream.dev/sdk/data"
)

// Tag bytes of variants.
const (
	tagNull = iota
	tagFalse
	tagTrue
	tagInt8
	tagInt16
	tagInt32
	tagInt64
	tagFloat32
	tagFloat64
	tagString
	tagBytes
	tagDecimal
	tagBigInteger
	tagInstant
	tagList
	tagMap
	tagObject
	tagStruct
)

// names is the dictionary of a variant column.
type names struct {
	list []string
	ids  map[string]uint16
}

func (n *names) id(name string) (uint16, bool) {
	if id, ok := n.ids[name]; ok {
		return id, true
	}
	if len(n.list) == maxVariantNames {
		return 0, false
	}
	if n.ids == nil {
		n.ids = map[string]uint16{}
	}
	id := uint16(len(n.list))
	n.ids[name] = id
	n.list = append(n.list, name)
	return id, true
}

// variantWriter appends variants to out. Without names all names stand inline; without schemas structs are refused.
type variantWriter struct {
	out     []byte
	names   *names
	schemas *Schemas
}

// value appends a value. After an error a part of it may have been written.
func (w *variantWriter) value(value any, depth int) error {
	switch value := value.(type) {
	case nil:
		w.out = append(w.out, tagNull)
	case bool:
		if value {
			w.out = append(w.out, tagTrue)
		} else {
			w.out = append(w.out, tagFalse)
		}
	case int8:
		w.out = append(w.out, tagInt8, byte(value))
	case int16:
		w.out = le.AppendUint16(append(w.out, tagInt16), uint16(value))
	case int32:
		w.out = le.AppendUint32(append(w.out, tagInt32), uint32(value))
	case int64:
		w.out = le.AppendUint64(append(w.out, tagInt64), uint64(value))
	case int:
		w.out = le.AppendUint64(append(w.out, tagInt64), uint64(value))
	case float32:
		w.out = le.AppendUint32(append(w.out, tagFloat32), math.Float32bits(value))
	case float64:
		w.out = le.AppendUint64(append(w.out, tagFloat64), math.Float64bits(value))
	case string:
		if !utf8.ValidString(value) {
			return errNotUTF8
		}
		w.out = appendText(append(w.out, tagString), value)
	case []byte:
		w.out = append(le.AppendUint32(append(w.out, tagBytes), uint32(len(value))), value...)
	case data.Decimal:
		at := w.open(tagDecimal)
		w.out = le.AppendUint32(w.out, uint32(value.Scale))
		w.out = appendBig(w.out, unscaledOf(value))
		w.end(at)
	case *big.Int:
		at := w.open(tagBigInteger)
		w.out = appendBig(w.out, value)
		w.end(at)
	case time.Time:
		w.out = le.AppendUint64(append(w.out, tagInstant), uint64(value.UnixMilli()))
	case []any:
		if depth >= maxVariantDepth {
			return ErrTooDeep
		}
		at := w.open(tagList)
		w.out = le.AppendUint32(w.out, uint32(len(value)))
		for _, item := range value {
			if err := w.value(item, depth+1); err != nil {
				return err
			}
		}
		w.end(at)
	case *data.Map:
		return w.entries(value, depth)
	case *data.Struct:
		return w.structure(value, depth)
	default:
		plain, err := data.Plain(value)
		if err != nil {
			return err
		}
		return w.value(plain, depth)
	}
	return nil
}

var errNotUTF8 = errors.New("the text is not UTF-8; bytes are []byte")

func unscaledOf(value data.Decimal) *big.Int {
	if value.Unscaled == nil {
		return new(big.Int)
	}
	return value.Unscaled
}

func (w *variantWriter) open(tag byte) int {
	w.out = le.AppendUint32(append(w.out, tag), 0)
	return len(w.out)
}

func (w *variantWriter) end(at int) { le.PutUint32(w.out[at-4:], uint32(len(w.out)-at)) }

func (w *variantWriter) entries(value *data.Map, depth int) error {
	if depth >= maxVariantDepth {
		return ErrTooDeep
	}
	tag := byte(tagObject)
	for _, entry := range value.Entries() {
		if _, isText := entry.Key.(string); !isText {
			tag = tagMap
		}
	}
	at := w.open(tag)
	w.out = le.AppendUint32(w.out, uint32(value.Len()))
	for _, entry := range value.Entries() {
		if tag == tagMap {
			if err := w.value(entry.Key, depth+1); err != nil {
				return err
			}
		} else if err := w.name(entry.Key.(string)); err != nil {
			return err
		}
		if err := w.value(entry.Value, depth+1); err != nil {
			return err
		}
	}
	w.end(at)
	return nil
}

func (w *variantWriter) name(name string) error {
	if w.names != nil {
		if id, ok := w.names.id(name); ok {
			w.out = le.AppendUint16(w.out, id)
			return nil
		}
	}
	if !utf8.ValidString(name) {
		return errNotUTF8
	}
	w.out = appendText(le.AppendUint16(w.out, inlineName), name)
	return nil
}

func (w *variantWriter) structure(value *data.Struct, depth int) error {
	if depth >= maxVariantDepth {
		return ErrTooDeep
	}
	if w.schemas == nil {
		return errors.New("a struct stands where its schema is not known")
	}
	place, err := w.schemas.Place(value.Schema())
	if err != nil {
		return err
	}
	at := w.open(tagStruct)
	w.out = le.AppendUint32(w.out, uint32(len(value.Slots())))
	w.out = le.AppendUint16(w.out, uint16(place))
	for _, slot := range value.Slots() {
		if err := w.value(slot, depth+1); err != nil {
			return err
		}
	}
	w.end(at)
	return nil
}

// readVariant reads the value that valid bytes begin with, and returns what follows it.
func readVariant(from []byte, words *Column, schemas *Schemas) (any, []byte) {
	tag, rest := from[0], from[1:]
	switch tag {
	case tagFalse, tagTrue:
		return tag == tagTrue, rest
	case tagInt8:
		return int8(rest[0]), rest[1:]
	case tagInt16:
		return int16(le.Uint16(rest)), rest[2:]
	case tagInt32:
		return int32(le.Uint32(rest)), rest[4:]
	case tagInt64:
		return int64(le.Uint64(rest)), rest[8:]
	case tagFloat32:
		return math.Float32frombits(le.Uint32(rest)), rest[4:]
	case tagFloat64:
		return math.Float64frombits(le.Uint64(rest)), rest[8:]
	case tagInstant:
		return time.UnixMilli(int64(le.Uint64(rest))).UTC(), rest[8:]
	case tagNull:
		return nil, rest
	}
	size := int(le.Uint32(rest))
	inside, rest := rest[4:4+size], rest[4+size:]
	switch tag {
	case tagString:
		return string(inside), rest
	case tagBytes:
		return append([]byte{}, inside...), rest
	case tagDecimal:
		return decimalOf(inside), rest
	case tagBigInteger:
		return bigOf(inside), rest
	}
	count := int(le.Uint32(inside))
	inside = inside[4:]
	next := func() (value any) {
		value, inside = readVariant(inside, words, schemas)
		return value
	}
	switch tag {
	case tagList:
		list := make([]any, count)
		for i := range list {
			list[i] = next()
		}
		return list, rest
	case tagStruct:
		schema := schemas.Get(int(le.Uint16(inside)))
		inside = inside[2:]
		slots := make([]any, count)
		for i := range slots {
			slots[i] = next()
		}
		made, err := data.StructOfSlots(schema, slots)
		if err != nil {
			return nil, rest
		}
		return made, rest
	}
	entries := make([]data.Entry, count)
	for i := range entries {
		if tag == tagObject {
			id := le.Uint16(inside)
			inside = inside[2:]
			if id == inlineName {
				size := int(le.Uint32(inside))
				entries[i].Key, inside = string(inside[4:4+size]), inside[4+size:]
			} else {
				entries[i].Key = string([]byte(words.Text(int(id))))
			}
		} else {
			entries[i].Key = next()
		}
		entries[i].Value = next()
	}
	return data.MapOfEntries(entries), rest
}

// checkVariant says what is wrong with the bytes of a variant.
func checkVariant(from []byte, words *Column, schemas *Schemas) error {
	rest, err := checkVariantAt(from, words, schemas, 0)
	if err == nil && len(rest) != 0 {
		err = errors.New("bytes are left over behind a value")
	}
	return err
}

var errVariantCutOff = errors.New("a value is cut off")

func checkVariantAt(from []byte, words *Column, schemas *Schemas, depth int) ([]byte, error) {
	if len(from) == 0 {
		return nil, errVariantCutOff
	}
	tag, rest := from[0], from[1:]
	if tag > tagStruct {
		return nil, fmt.Errorf("a value has the unknown tag %d", tag)
	}
	if fixed := [...]int{0, 0, 0, 1, 2, 4, 8, 4, 8, -1, -1, -1, -1, 8, -1, -1, -1, -1}[tag]; fixed >= 0 {
		if len(rest) < fixed {
			return nil, errVariantCutOff
		}
		return rest[fixed:], nil
	}
	if len(rest) < 4 || uint64(len(rest)-4) < uint64(le.Uint32(rest)) {
		return nil, errVariantCutOff
	}
	size := int(le.Uint32(rest))
	inside, rest := rest[4:4+size], rest[4+size:]
	switch tag {
	case tagString:
		if !utf8.Valid(inside) {
			return nil, errNotUTF8
		}
		return rest, nil
	case tagBytes:
		return rest, nil
	case tagDecimal, tagBigInteger:
		if len(inside) < 1 || tag == tagDecimal && len(inside) < 5 {
			return nil, errVariantCutOff
		}
		return rest, nil
	}
	if depth >= maxVariantDepth {
		return nil, ErrTooDeep
	}
	if len(inside) < 4 {
		return nil, errVariantCutOff
	}
	count, inside := int(le.Uint32(inside)), inside[4:]
	if tag == tagStruct {
		if len(inside) < 2 || schemas.Get(int(le.Uint16(inside))) == nil ||
			len(schemas.Get(int(le.Uint16(inside))).Fields) != count {
			return nil, errors.New("a struct has another number of fields than its schema")
		}
		inside = inside[2:]
	}
	if tag == tagMap {
		count *= 2
	}
	for range count {
		var err error
		if tag == tagObject {
			if inside, err = checkName(inside, words); err != nil {
				return nil, err
			}
		}
		if inside, err = checkVariantAt(inside, words, schemas, depth+1); err != nil {
			return nil, err
		}
	}
	if len(inside) != 0 {
		return nil, errors.New("bytes are left over in a container")
	}
	return rest, nil
}

func checkName(inside []byte, words *Column) ([]byte, error) {
	if len(inside) < 2 {
		return nil, errVariantCutOff
	}
	id := int(le.Uint16(inside))
	inside = inside[2:]
	if id != inlineName {
		if words == nil || id >= words.Rows {
			return nil, errors.New("a name is not in the dictionary")
		}
		return inside, nil
	}
	if len(inside) < 4 || uint64(len(inside)-4) < uint64(le.Uint32(inside)) {
		return nil, errVariantCutOff
	}
	size := int(le.Uint32(inside))
	if !utf8.Valid(inside[4 : 4+size]) {
		return nil, errNotUTF8
	}
	return inside[4+size:], nil
}
