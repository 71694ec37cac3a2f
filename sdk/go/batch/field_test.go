package batch

import (
	"fmt"
	"strings"
	"testing"

	"millstream.dev/sdk/data"
)

func built(t *testing.T, schema *data.Schema, values ...any) *Table {
	t.Helper()
	table := NewTable(len(values))
	var union UnionBuilder
	for _, value := range values {
		if err := union.Append(schema, value, table.Schemas); err != nil {
			t.Fatal(err)
		}
	}
	table.Values = union.Finish()
	return rewritten(t, table)
}

func rewritten(t *testing.T, table *Table) *Table {
	t.Helper()
	content, err := table.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, content)
}

func values(table *Table) string {
	list := []any{}
	for _, row := range table.Values.Places(table.Rows) {
		_, value := table.ValueAt(&table.Values, row)
		list = append(list, value)
	}
	return data.Text(list)
}

func TestAFieldIsReplacedWhereverItStands(t *testing.T) {
	change := func(_ *data.Schema, column *Column) (*Column, error) { return MapText(column, AppendUpper), nil }
	table := built(t, nil,
		data.NewMap("a", data.NewMap("b", "x"), "n", 1), data.NewMap("a", nil), data.NewMap(), data.NewMap("a", data.NewMap("b", nil)))
	if err := table.Values.EditField([]string{"a", "b"}, change); err != nil {
		t.Fatal(err)
	}
	if text := values(rewritten(t, table)); text != "[{a={b=X}, n=1}, {a=null}, {}, {a={b=null}}]" {
		t.Error(text)
	}
	repeated, err := built(t, nil, data.NewMap("a", "y")).Values.Blocks[0].Column.Repeated(3)
	if err != nil {
		t.Fatal(err)
	}
	table = NewTable(3)
	table.Values = Single(nil, repeated)
	if err := table.Values.EditField([]string{"a"}, change); err != nil {
		t.Fatal(err)
	}
	if text := values(rewritten(t, table)); text != "[{a=Y}, {a=Y}, {a=Y}]" {
		t.Error(text)
	}
}

func TestMixedValuesAreChangedOneByOne(t *testing.T) {
	table := built(t, nil, "x", 1, data.NewMap("a", "y"), nil, []any{"z"})
	err := table.EditVariants(&table.Values, nil, func(row int, value any) (any, error) {
		return fmt.Sprintf("%d:%s", row, data.Text(value)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := values(rewritten(t, table)); text != "[0:x, 1:1, 2:{a=y}, null, 4:[z]]" {
		t.Error(text)
	}
	table = built(t, nil, "x", data.NewMap("a", "y"))
	err = table.EditVariants(&table.Values, []string{"a"}, func(row int, value any) (any, error) { return value.(string) + "!", nil })
	if err != nil {
		t.Fatal(err)
	}
	if text := values(rewritten(t, table)); text != "[x, {a=y!}]" {
		t.Error(text)
	}
}

func TestACursorSeesWhatTheValuesAre(t *testing.T) {
	for name := range goldenData() {
		table := opened(t, golden(t, name))
		places := table.Values.Places(table.Rows)
		for row := range table.All() {
			_, expected := table.ValueAt(&table.Values, places[row.Index()])
			if found := walked(row.Value()); !data.Equal(found, expected) {
				t.Errorf("%s, row %d: %v instead of %v", name, row.Index(), found, expected)
			}
		}
	}
	table := built(t, nil, data.NewMap("in", data.NewMap("n", int64(5)), "t", "x", "l", []any{1.5, nil}))
	for row := range table.All() {
		value := row.Value()
		n, _ := value.Path("in", "n").Int()
		text, _ := value.Field("t").Text()
		if n != 5 || text != "x" || !value.Field("none").IsNull() || value.Field("l").Len() != 2 {
			t.Errorf("%d, %s", n, text)
		}
	}
}

// walked is a value put together from what a cell says.
func walked(cell Cell) any {
	if cell.IsNull() {
		return nil
	}
	value := cell.Value()
	switch value := value.(type) {
	case []any:
		list := []any{}
		for item := range cell.Items() {
			list = append(list, walked(item))
		}
		return list
	case *data.Map:
		entries := []data.Entry{}
		for key, item := range cell.Entries() {
			entries = append(entries, data.Entry{Key: walked(key), Value: walked(item)})
		}
		return data.MapOfEntries(entries)
	case *data.Struct:
		made := data.NewStruct(value.Schema())
		at := 0
		for _, item := range cell.Entries() {
			made.Slots()[at] = walked(item)
			at++
		}
		return made
	case string:
		text, _ := cell.Text()
		return text
	}
	return value
}

func TestCapitalsAndSmallLetters(t *testing.T) {
	for _, text := range []string{"", "aZ_1", "grün", "straße", "ÀÉ", "xé"} {
		if made := string(AppendUpper([]byte("> "), text)); made != "> "+strings.ToUpper(text) {
			t.Error(made)
		}
		if made := string(AppendLower([]byte("> "), text)); made != "> "+strings.ToLower(text) {
			t.Error(made)
		}
	}
}
