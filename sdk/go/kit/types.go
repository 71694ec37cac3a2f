package main

import (
	"math"
	"math/big"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/data"
)

func ms(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func everything() *data.Struct {
	inner := data.StructOf(data.Field{Name: "n", Schema: data.Of(data.Int32)}).Named("kit.Inner").
		WithParameter("p", "q").AsOptional()
	seven := data.NewStruct(inner)
	seven.Slots()[0] = int32(7)
	fields := []struct {
		name   string
		schema *data.Schema
		value  any
	}{
		{"i8", data.Of(data.Int8), int8(math.MinInt8)},
		{"i16", data.Of(data.Int16), int16(math.MaxInt16)},
		{"i32", data.Of(data.Int32), int32(math.MinInt32)},
		{"i64", data.Of(data.Int64), int64(math.MaxInt64)},
		{"f32", data.Of(data.Float32), float32(1.5)},
		{"f64", data.Of(data.Float64), -0.25},
		{"yes", data.Of(data.Boolean), true},
		{"text", data.OptionalOf(data.String).WithDefault("dflt"), "grüße 😀"},
		{"raw", data.Of(data.Bytes), []byte{0x00, 0xff, 0x10}},
		{"dec", data.DecimalOf(2), data.NewDecimal(123450, 2)},
		{"date", data.DateSchema(), time.Date(2022, 1, 8, 0, 0, 0, 0, time.UTC)},
		{"time", data.TimeSchema(), ms(3_600_000)},
		{"ts", data.TimestampSchema(), ms(1_700_000_000_123)},
		{"list", data.ArrayOf(data.Of(data.Int32)), []any{int32(1), int32(2), int32(3)}},
		{"map", data.MapOf(data.Of(data.String), data.OptionalOf(data.Int64)), data.NewMap("a", int64(1), "b", nil)},
		{"inner", inner, seven},
		{"gone", data.OptionalOf(data.String), nil},
		{"dflt", data.OptionalOf(data.Int32).WithDefault(int32(5)), nil},
	}
	var list []data.Field
	for _, field := range fields {
		list = append(list, data.Field{Name: field.name, Schema: field.schema})
	}
	made := data.NewStruct(data.StructOf(list...).Named("kit.Everything").WithVersion(3).WithDoc("All types."))
	for i, field := range fields {
		made.Slots()[i] = field.value
	}
	return made
}

// everyType are the records of mode types.
func everyType(topic string) []*sdk.Record {
	all := everything()
	text := data.Of(data.String)
	large, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	three := int32(3)
	records := []*sdk.Record{
		{
			KeySchema: text, Key: "everything", ValueSchema: all.Schema(), Value: all, Timestamp: ms(1_700_000_000_123),
			Headers: []sdk.Header{
				{Key: "h", Schema: text, Value: "x"}, {Key: "n", Schema: data.Of(data.Int64), Value: int64(5)}, {Key: "h"},
			},
		},
		{Value: data.NewMap("s", "text", "n", int64(9_007_199_254_740_993), "x", 2.5, "t", true, "nil", nil,
			"l", []any{int64(1), "two"}, "m", data.NewMap("k", "v"), "b", []byte{1})},
		{KeySchema: text, Key: "gone", Partition: &three, Timestamp: ms(1_700_000_000_000)},
		{ValueSchema: data.Of(data.Float64), Value: math.NaN()},
		{Value: []any{int64(math.MinInt64), int64(math.MaxInt64)}},
		{Value: []any{large, data.NewDecimal(120, 2), ms(1_700_000_000_123), []byte{}}},
		{ValueSchema: data.OptionalOf(data.Int32)},
	}
	for row, record := range records {
		record.Topic = topic
		record.SourcePartition, record.SourceOffset = sdk.Offset{"kit": "types"}, sdk.Offset{"n": row}
	}
	return records
}
