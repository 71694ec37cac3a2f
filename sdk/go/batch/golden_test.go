package batch

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"millstream.dev/sdk/data"
)

// The golden files are those of the host's record crate: its writer made them.
var goldenFiles = []string{"empty", "lines", "schemas", "shredded", "variants", "envelope"}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".batch"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func opened(t *testing.T, content []byte) *Table {
	t.Helper()
	if err := Check(content); err != nil {
		t.Fatal(err)
	}
	table, err := Open(content)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestGoldenFilesAreTheSameWhenTheyAreWrittenAgain(t *testing.T) {
	for _, name := range goldenFiles {
		content := golden(t, name)
		written, err := opened(t, content).Bytes()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(written, content) {
			t.Errorf("%s: %d bytes instead of %d, or others", name, len(written), len(content))
		}
	}
}

type datum struct {
	schema *data.Schema
	value  any
}

func schemaless(values ...any) []datum {
	list := make([]datum, len(values))
	for i, value := range values {
		list[i].value = value
	}
	return list
}

func goldenSchema() (*data.Schema, *data.Schema) {
	inner := data.StructOf(data.Field{Name: "x", Schema: data.OptionalOf(data.Int32)}).AsOptional()
	note := data.Of(data.String).Named("org.example.Note").WithVersion(7).WithDoc("a note").
		WithParameter("unit", "piece").WithDefault("none")
	return data.StructOf(
		data.Field{Name: "i8", Schema: data.Of(data.Int8)},
		data.Field{Name: "i16", Schema: data.Of(data.Int16)},
		data.Field{Name: "i32", Schema: data.Of(data.Int32)},
		data.Field{Name: "i64", Schema: data.OptionalOf(data.Int64)},
		data.Field{Name: "f32", Schema: data.Of(data.Float32)},
		data.Field{Name: "f64", Schema: data.Of(data.Float64)},
		data.Field{Name: "bool", Schema: data.Of(data.Boolean)},
		data.Field{Name: "string", Schema: note},
		data.Field{Name: "bytes", Schema: data.OptionalOf(data.Bytes)},
		data.Field{Name: "list", Schema: data.ArrayOf(data.Of(data.Int16))},
		data.Field{Name: "map", Schema: data.MapOf(data.Of(data.String), data.Of(data.Int8))},
		data.Field{Name: "inner", Schema: inner},
		data.Field{Name: "decimal", Schema: data.DecimalOf(2)},
		data.Field{Name: "date", Schema: data.DateSchema()},
		data.Field{Name: "timestamp", Schema: data.TimestampSchema().AsOptional()},
	).Named("org.example.All"), inner
}

func structOf(schema *data.Schema, slots ...any) *data.Struct {
	made, err := data.StructOfSlots(schema, slots)
	if err != nil {
		panic(err)
	}
	return made
}

func goldenData() map[string][2][]datum {
	schema, inner := goldenSchema()
	row := func(n int8, some bool) datum {
		nullable := func(value any) any {
			if some {
				return value
			}
			return nil
		}
		var x any
		if n == 1 {
			x = int32(9)
		}
		list := []any{}
		for i := range int16(n) {
			list = append(list, i)
		}
		return datum{schema, structOf(schema, n, int16(-300), int32(70_000), nullable(int64(1)<<40), float32(1.5), -0.25,
			some, "note", nullable([]byte{0, 255}), list, data.NewMap("k", n), nullable(structOf(inner, x)),
			data.NewDecimal(300, 2), time.UnixMilli(86_400_000).UTC(), nullable(time.UnixMilli(1_700_000_000_123).UTC()))}
	}
	text := data.OptionalOf(data.String)
	n := data.StructOf(data.Field{Name: "n", Schema: data.Of(data.Int8)})
	nulls := make([]any, 18)
	return map[string][2][]datum{
		"empty": {},
		"lines": {schemaless(nil, nil, nil), schemaless("first", "", "drei: ä漢😀")},
		"schemas": {
			{{text, "a"}, {text, nil}, {nil, nil}, {nil, int64(4)}},
			{row(1, true), {nil, nil}, row(2, false), {text, "other"}},
		},
		"shredded": {schemaless("k", "k", "k", "k"), schemaless(
			data.NewMap("id", int64(1), "name", "a", "in", data.NewMap("deep", int64(5)), "tags", []any{"x"}),
			data.NewMap("id", int64(2), "in", data.NewMap("deep", int64(6)), "tags", []any{}, "ok", true),
			data.NewMap("id", nil, "name", nil, "in", data.NewMap(), "tags", nil),
			data.NewMap(),
		)},
		"variants": {schemaless(nulls...), schemaless(
			true, false, int8(-1), int16(2), int32(-3), int64(4), float32(0.5), 1e300, "text", []byte{1, 2, 3},
			data.NewDecimal(-1, -1), new(big.Int).Lsh(big.NewInt(1), 64), time.UnixMilli(-1).UTC(), []any{nil, int64(1)},
			data.NewMap(int32(1), "one", nil, "none"), data.NewMap("a", int64(1), "b", data.NewMap("a", nil)),
			[]any{structOf(n, int8(7))}, nil,
		)},
		"envelope": {schemaless("k", "k", "k", "k"), schemaless(int32(0), int32(1), int32(2), int32(3))},
	}
}

func TestTheReaderFindsWhatIsInTheGoldenFiles(t *testing.T) {
	for name, sides := range goldenData() {
		table := opened(t, golden(t, name))
		for side, union := range []*Union{&table.Keys, &table.Values} {
			for row, place := range union.Places(table.Rows) {
				schema, value := table.ValueAt(union, place)
				expected := sides[side][row]
				if !schema.Equal(expected.schema) || !data.Equal(value, expected.value) {
					t.Errorf("%s, side %d, row %d: %v instead of %v", name, side, row, value, expected.value)
				}
			}
		}
	}
}

func TestTheWriterMakesTheSameBytesOfTheSameData(t *testing.T) {
	for name, sides := range goldenData() {
		if name == "lines" || name == "envelope" {
			continue // Their envelopes are made by columns.
		}
		table := NewTable(len(sides[1]))
		for side, union := range []*Union{&table.Keys, &table.Values} {
			var builder UnionBuilder
			for _, datum := range sides[side] {
				if err := builder.Append(datum.schema, datum.value, table.Schemas); err != nil {
					t.Fatal(err)
				}
			}
			*union = builder.Finish()
			// Schemas stand in the order in which the sides are finished.
			for _, block := range union.Blocks {
				if block.Schema != nil {
					if _, err := table.Schemas.Place(block.Schema); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		written, err := table.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if content := golden(t, name); !bytes.Equal(written, content) {
			at := 0
			for at < min(len(written), len(content)) && written[at] == content[at] {
				at++
			}
			t.Errorf("%s: %d bytes instead of %d, the first other byte is %d", name, len(written), len(content), at)
		}
	}
}

func TestTheEnvelopeIsReadByItsRoles(t *testing.T) {
	table := opened(t, golden(t, "envelope"))
	for row, expected := range []string{"one", "two", "two", "one"} {
		if topic := table.Topic(row); topic != expected {
			t.Errorf("row %d: topic %q", row, topic)
		}
		if table.IsSelected(row) != (row != 3) {
			t.Errorf("row %d: selected %v", row, table.IsSelected(row))
		}
	}
	if _, ok := table.Int(Timestamp, 1); ok {
		t.Error("row 1 has a timestamp")
	}
	if offset, _ := table.Int(Offset, 3); offset != 101 {
		t.Errorf("offset %d", offset)
	}
	headers := table.HeadersOf(0)
	if len(headers) != 2 || headers[0].Value() != "abc" || headers[0].Schema().Type != data.String ||
		!data.Equal(headers[1].Value(), data.NewMap("n", int64(1))) {
		t.Errorf("headers %v", headers)
	}
	lines := opened(t, golden(t, "lines"))
	if value := lines.Get(SourcePartition).Value(2, nil, lines.Schemas); data.Text(value) != "{filename=/in.txt}" {
		t.Errorf("source partition %v", value)
	}
	if value := lines.Get(SourceOffset).Value(2, nil, lines.Schemas); data.Text(value) != "{position=27}" {
		t.Errorf("source offset %v", value)
	}
}

func TestRowsThatAreTakenStayWhatTheyWere(t *testing.T) {
	for name, sides := range goldenData() {
		table := opened(t, golden(t, name))
		var rows []uint32
		for row := range table.Rows {
			rows = append(rows, uint32(table.Rows-1-row), uint32(table.Rows-1-row))
		}
		written, err := table.Take(rows).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		taken := opened(t, written)
		for row, place := range taken.Values.Places(taken.Rows) {
			schema, value := taken.ValueAt(&taken.Values, place)
			expected := sides[1][rows[row]]
			if !schema.Equal(expected.schema) || !data.Equal(value, expected.value) {
				t.Errorf("%s, row %d: %v instead of %v", name, row, value, expected.value)
			}
		}
	}
}

func TestDamageAnywhereIsFoundOrHarmless(t *testing.T) {
	for _, name := range goldenFiles {
		content := golden(t, name)
		for at := range content {
			damaged := bytes.Clone(content)
			damaged[at] ^= 0xFF
			if Check(damaged) != nil {
				continue
			}
			// What passes the check can be read to its end.
			table, err := Open(damaged)
			if err != nil {
				t.Fatalf("%s, byte %d: %v", name, at, err)
			}
			for _, union := range []*Union{&table.Keys, &table.Values} {
				for _, place := range union.Places(table.Rows) {
					table.ValueAt(union, place)
				}
			}
			for row := range table.Rows {
				for _, header := range table.HeadersOf(row) {
					header.Value()
				}
			}
		}
	}
}
