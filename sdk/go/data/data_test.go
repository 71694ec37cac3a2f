package data

import (
	"math"
	"math/big"
	"testing"
	"time"
)

func TestValuesAreShownAsJavaShowsThem(t *testing.T) {
	schema := StructOf(Field{"a", OptionalOf(Int8)}, Field{"b", OptionalOf(Int8)}, Field{"c", OptionalOf(Int8)})
	value := NewStruct(schema)
	value.Slots()[0], value.Slots()[2] = int8(1), int8(3)
	large, _ := new(big.Int).SetString("-123456789012345678901234567890", 10)
	for _, one := range []struct {
		value    any
		expected string
	}{
		{value, "Struct{a=1,c=3}"},
		{NewMap("a", 1.0, nil, []any{int32(1), int32(2)}), "{a=1.0, null=[1, 2]}"},
		{time.UnixMilli(0), "Thu Jan 01 00:00:00 UTC 1970"},
		{1e7, "1.0E7"}, {9999999.0, "9999999.0"}, {0.001, "0.001"}, {0.0001, "1.0E-4"}, {math.Copysign(0, -1), "-0.0"},
		{math.NaN(), "NaN"}, {math.Inf(-1), "-Infinity"}, {1.5e300, "1.5E300"}, {math.MaxFloat64, "1.7976931348623157E308"},
		{5e-324, "4.9E-324"}, {float32(3.4028235e38), "3.4028235E38"}, {float32(1.1), "1.1"}, {2e23, "2.0E23"},
		{NewDecimal(370, 2), "3.70"}, {NewDecimal(1, -3), "1E+3"}, {NewDecimal(1, 7), "1E-7"}, {NewDecimal(-5, 3), "-0.005"},
		{NewDecimal(123, -1), "1.23E+3"}, {large, "-123456789012345678901234567890"}, {[]byte{1}, "[B@0"}, {nil, "null"},
	} {
		if text := Text(one.value); text != one.expected {
			t.Errorf("%s instead of %s", text, one.expected)
		}
	}
}

func TestDecimalsAreReadAsJavaReadsThem(t *testing.T) {
	for text, expected := range map[string]string{
		"19.99": "19.99", "-1": "-1", "1E+3": "1E+3", ".5": "0.5", "5.": "5", "+2.50": "2.50", "1e-2": "0.01",
	} {
		if decimal, err := ParseDecimal(text); err != nil || decimal.String() != expected {
			t.Errorf("%s: %v, %v", text, decimal, err)
		}
	}
	for _, text := range []string{"", "x", "1.2.3", "1e", "e5", "1_0", "--1", "1e99999999999", "1 "} {
		if decimal, err := ParseDecimal(text); err == nil {
			t.Errorf("%q is read as %v", text, decimal)
		}
	}
}

type order struct {
	ID     int64     `connect:"id"`
	Note   *string   `connect:"note"`
	Price  Decimal   `connect:"price,scale=2"`
	Placed time.Time `connect:"placed"`
	Day    time.Time `connect:"day,date"`
	Tags   []string  `connect:"tags,optional"`
	Count  map[string]int32
	secret string
	Cache  any `connect:"-"`
}

func TestStructsBecomeStructsAndBack(t *testing.T) {
	schema := SchemaFor[order]()
	names := ""
	for _, field := range schema.Fields {
		names += field.Name + " "
	}
	if names != "id note price placed day tags Count " || !schema.Fields[1].Schema.Optional ||
		!schema.Fields[2].Schema.IsDecimal() || schema.Fields[4].Schema.SchemaName() != DateName || !schema.Fields[5].Schema.Optional {
		t.Fatalf("%s: %v", names, schema)
	}
	note := "n"
	given := order{
		ID: 7, Note: &note, Price: NewDecimal(1999, 2), Placed: time.UnixMilli(5).UTC(), Day: time.UnixMilli(86_400_000).UTC(),
		Tags: []string{"a", "b"}, Count: map[string]int32{"x": 1}, secret: "s",
	}
	made, err := Marshal(&given, schema)
	if err != nil {
		t.Fatal(err)
	}
	var back order
	if err := Unmarshal(made, &back); err != nil {
		t.Fatal(err)
	}
	if back.ID != 7 || *back.Note != "n" || back.Price.String() != "19.99" || !back.Placed.Equal(given.Placed) ||
		len(back.Tags) != 2 || back.Count["x"] != 1 || back.secret != "" {
		t.Errorf("%+v", back)
	}
	err = Unmarshal(NewMap("id", "seven"), &back)
	if err == nil || err.Error() != "field id: expected what fits a Go int64, found a java.lang.String" {
		t.Errorf("%v", err)
	}
}

func TestMapsKeepTheirOrderAndFindTheirKeys(t *testing.T) {
	m := NewMap()
	for i := range 40 {
		m.Set(string(rune('a'+i)), i)
	}
	m.Set("c", "three")
	m.Delete("d")
	if m.Len() != 39 || m.Get("c") != "three" || m.Get("d") != nil || m.Get("e") != 4 || m.Entries()[3].Key != "e" {
		t.Errorf("%v", m)
	}
	if !Equal(NewMap("a", 1, "b", 2), NewMap("b", 2, "a", 1)) || Equal(NewMap("a", 1), NewMap("a", int64(1))) {
		t.Error("maps are equal without regard to order, by types")
	}
}

func TestInstantsAreWrittenInTheWorkersZone(t *testing.T) {
	before := Zone
	defer func() { Zone = before }()
	july := time.UnixMilli(1_719_831_845_006)
	for description, expected := range map[string]string{
		"GMT": "11:04:05 GMT", "GMT+5:30": "16:34:05 GMT+05:30", "GMT-0130": "09:34:05 GMT-01:30", "GMT+05": "16:04:05 GMT+05:00",
		"GMT+530": "16:34:05 GMT+05:30", "UTC+3": "08:04:05 GMT-03:00", "<+03>-3": "14:04:05 GMT+03:00",
		"CET-1CEST,M3.5.0,M10.5.0/3": "13:04:05 CEST",
	} {
		if err := SetZone(description); err != nil {
			t.Errorf("%s: %v", description, err)
		} else if text := Text(july); text != "Mon Jul 01 "+expected+" 2024" {
			t.Errorf("%s: %s", description, text)
		}
	}
	if err := SetZone("CET-1CEST,M3.5.0,M10.5.0/3"); err != nil || Text(time.UnixMilli(0)) != "Thu Jan 01 01:00:00 CET 1970" {
		t.Errorf("%v, %s", err, Text(time.UnixMilli(0)))
	}
	for _, description := range []string{"", "Nowhere/Land", "GMT+1:60", "GMT+é", "tzif:%", "tzif:AAAA", "CET"} {
		if err := SetZone(description); err == nil {
			t.Errorf("%q is accepted", description)
		}
	}
}

func TestJSONKeepsItsOrderAndItsNumbers(t *testing.T) {
	text := `{"b":9223372036854775807,"a":[1.5,null,true],"c":{"x":"<y>"},"d":12345678901234567890}`
	value, err := ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if shown := Text(value); shown != "{b=9223372036854775807, a=[1.5, null, true], c={x=<y>}, d=12345678901234567890}" {
		t.Error(shown)
	}
	back, err := value.(*Map).MarshalJSON()
	if err != nil || string(back) != `{"b":9223372036854775807,"a":[1.5,null,true],"c":{"x":"\u003cy\u003e"},"d":12345678901234567890}` {
		t.Errorf("%s, %v", back, err)
	}
	for _, wrong := range []string{"", "{", "[1,]", "1 2", `{"a"}`} {
		if value, err := ParseJSON([]byte(wrong)); err == nil {
			t.Errorf("%q is read as %v", wrong, value)
		}
	}
}
