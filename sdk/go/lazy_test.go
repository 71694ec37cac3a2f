package sdk

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"millstream.dev/sdk/data"
)

// Fields that a transform does not look at are copied as they stand, in stretches: whatever it looks at, sets, drops and
// multiplies, the others stay what they were.
func TestWhatATransformDoesNotLookAtStaysWhatItWas(t *testing.T) {
	schema := data.StructOf(
		data.Field{Name: "i", Schema: data.OptionalOf(data.Int32)}, data.Field{Name: "s", Schema: data.OptionalOf(data.String)},
		data.Field{Name: "b", Schema: data.OptionalOf(data.Boolean)}, data.Field{Name: "f", Schema: data.OptionalOf(data.Float64)},
		data.Field{Name: "x", Schema: data.OptionalOf(data.Bytes)}, data.Field{Name: "d", Schema: data.DecimalOf(1).AsOptional()},
		data.Field{Name: "t", Schema: data.TimestampSchema().AsOptional()},
		data.Field{Name: "l", Schema: data.ArrayOf(data.Of(data.Int8)).AsOptional()},
	)
	random := rand.New(rand.NewSource(7))
	for round := range 200 {
		var records []*Record
		for range random.Intn(40) {
			if random.Intn(8) == 0 {
				records = append(records, NewRecord("t", nil))
				continue
			}
			value := data.NewStruct(schema)
			for i, slot := range []any{
				random.Int31(), fmt.Sprint("ä", random.Intn(1000)), random.Intn(2) == 0, random.Float64(), []byte{byte(random.Int())},
				data.NewDecimal(random.Int63(), 1), time.UnixMilli(random.Int63n(1e12)).UTC(), []any{int8(random.Int())},
			} {
				if random.Intn(4) > 0 {
					value.Slots()[i] = slot
				}
			}
			records = append(records, &Record{Topic: "t", ValueSchema: schema, Value: value})
		}
		if len(records) == 0 {
			continue
		}
		work := NewRecords(collected(t, records...))
		var expected []string
		row := 0
		touch := round % 4 // From a transform that touches nothing to one that touches much.
		err := work.ReplaceEach(func(record *Record) ([]*Record, error) {
			was := records[row].Value
			row++
			value, ok := record.Value.(*data.Struct)
			if !ok {
				expected = append(expected, data.Text(was))
				return []*Record{record}, nil
			}
			was = was.(*data.Struct).Clone()
			for range random.Intn(touch + 1) {
				field := schema.Fields[random.Intn(len(schema.Fields))].Name
				if random.Intn(2) == 0 {
					value.Get(field)
				} else if err := value.Set(field, nil); err != nil {
					return nil, err
				} else if err := was.(*data.Struct).Set(field, nil); err != nil {
					return nil, err
				}
			}
			switch count := random.Intn(touch + 4); {
			case touch > 0 && count == 0:
				return nil, nil
			case touch > 0 && count == 1:
				expected = append(expected, data.Text(was), data.Text(was))
				return []*Record{record, record}, nil
			}
			expected = append(expected, data.Text(was))
			return []*Record{record}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, record := range NewRecords(rewrittenTable(t, work)).All() {
			found = append(found, data.Text(record.Value))
		}
		if fmt.Sprint(found) != fmt.Sprint(expected) {
			t.Fatalf("round %d: %v instead of %v", round, found, expected)
		}
	}
}
