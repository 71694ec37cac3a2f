package sdk

import (
	"fmt"
	"strings"
	"testing"

	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

// orders is a batch as a worker's datagen source makes them, with Kafka positions.
func orders(b *testing.B, rows int) []byte {
	schema := data.StructOf(
		data.Field{Name: "ordertime", Schema: data.Of(data.Int64)}, data.Field{Name: "orderid", Schema: data.Of(data.Int32)},
		data.Field{Name: "itemid", Schema: data.Of(data.String)}, data.Field{Name: "orderunits", Schema: data.Of(data.Float64)},
		data.Field{Name: "city", Schema: data.Of(data.String)}, data.Field{Name: "zipcode", Schema: data.Of(data.Int64)},
	)
	var collector Collector
	for i := range rows {
		value := data.NewStruct(schema)
		copy(value.Slots(), []any{int64(1_700_000_000_000 + i), int32(i), fmt.Sprintf("Item_%d", i), 1.5, "City_12", int64(12345)})
		if err := collector.Add(&Record{Topic: "orders", Key: fmt.Sprint(i), ValueSchema: schema, Value: value}); err != nil {
			b.Fatal(err)
		}
	}
	bytes, err := collector.Table().Bytes()
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

type upperColumns struct{}

func (upperColumns) Apply(records *Records) error {
	return records.MapText(batch.AppendUpper, "itemid")
}

type upperRecords struct{}

func (upperRecords) Apply(record *Record) (*Record, error) {
	value := record.Value.(*data.Struct)
	return record, value.Set("itemid", strings.ToUpper(value.Get("itemid").(string)))
}

func init() {
	RegisterTransform(Plugin{Class: "UpperColumns"}, func(*config.None) (upperColumns, error) { return upperColumns{}, nil })
	RegisterRecordTransform(Plugin{Class: "UpperRecords"}, func(*config.None) (upperRecords, error) { return upperRecords{}, nil })
}

func benchmark(b *testing.B, class string) {
	const rows = 1000
	given := orders(b, rows)
	chain, _, err := NewChain(Link{Class: class})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		outcome, failed := chain.Apply(append([]byte(nil), given...), nil, false)
		if failed != nil || len(outcome.Errors) > 0 {
			b.Fatal(failed, outcome.Errors)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/record")
}

func BenchmarkOneFieldByColumns(b *testing.B) { benchmark(b, "UpperColumns") }

func BenchmarkOneFieldByRecords(b *testing.B) { benchmark(b, "UpperRecords") }

func BenchmarkCursor(b *testing.B) {
	table, err := batch.Open(orders(b, 1000))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	sum := 0.0
	for b.Loop() {
		for row := range table.All() {
			units, _ := row.Value().Field("orderunits").Float()
			sum += units
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}
