package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func TestEveryCauseIsKeptOnceAndInOrder(t *testing.T) {
	inner := errors.New("timed out")
	middle := fmt.Errorf("dial db:5432: %w", inner)
	failed := Retriable("connect: %w", middle)
	if failed.Message != "connect" || !reflect.DeepEqual(failed.Causes, []string{"dial db:5432", "timed out"}) {
		t.Errorf("%q, %q", failed.Message, failed.Causes)
	}
	if text := failed.Error(); text != "connect: dial db:5432: timed out" {
		t.Error(text)
	}
	outer := asError(fmt.Errorf("start: %w", failed), KindFatal)
	if outer.Kind != KindRetriable || outer.Class != RetriableException || outer.Message != "start: connect: dial db:5432: timed out" {
		t.Errorf("%+v", outer)
	}
	plain := asError(middle, KindData)
	if plain.Kind != KindData || plain.Class != DataException || plain.Message != "dial db:5432" {
		t.Errorf("%+v", plain)
	}
}

func TestTheFieldOfAnErrorIsAPath(t *testing.T) {
	failed := BadData("not a number").InField("zip").InField("home.address").InField("customer")
	row := lowerRow(3, 1, failed)
	if *row.Field != "customer.`home.address`.zip" || row.Row != 3 || row.Link != 1 {
		t.Errorf("%+v", row)
	}
}

func explode(list []int) int { return list[5] }

func TestAPanicBecomesAnErrorThatSaysWhere(t *testing.T) {
	err := func() (err error) {
		defer catch(&err, KindData)
		explode(nil)
		return nil
	}()
	own := err.(*Error)
	if own.Kind != KindData || !strings.Contains(own.Message, "panic: runtime error: index out of range [5]") {
		t.Errorf("%+v", own)
	}
}

type tickConfig struct {
	topic string
	every int
	mode  *string
	tags  []string
	ratio float64
	loud  bool
	pass  string
}

func (c *tickConfig) Keys(keys *config.Keys) {
	keys.String(&c.topic, "topic").Required().NonEmpty()
	keys.Int(&c.every, "batch.size").Default(2000).AtLeast(1)
	keys.OptString(&c.mode, "mode").Default("slow").OneOf("slow", "fast")
	keys.List(&c.tags, "tags")
	keys.Bool(&c.loud, "loud").Default(false)
	keys.Double(&c.ratio, "ratio")
	keys.Password(&c.pass, "secret").Check(func() error {
		if c.pass != "" && len(c.pass) < 3 {
			return errors.New("too short")
		}
		return nil
	})
}

func TestValuesAreTrimmedAndDefaultsFilledIn(t *testing.T) {
	given := config.MapOf("topic", " a ", "tags", " x , y,", "loud", " TRUE", "ratio", "1.5e3d")
	parsed, err := parse[*tickConfig](given)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.topic != "a" || parsed.every != 2000 || !reflect.DeepEqual(parsed.tags, []string{"x", "y", ""}) ||
		!parsed.loud || parsed.ratio != 1500 || *parsed.mode != "slow" {
		t.Errorf("%+v", parsed)
	}
}

func TestARefusalHasKafkasWords(t *testing.T) {
	topic := config.MapOf("topic", "t")
	null := topic
	null.SetNull("batch.size")
	for expected, given := range map[string]config.Map{
		`Missing required configuration "topic" which has no default value.`:                  {},
		`Invalid value  for configuration topic: String must be non-empty`:                    config.MapOf("topic", " "),
		`Invalid value x for configuration batch.size: Not a number of type INT`:              topic.With("batch.size", "x"),
		`Invalid value 0 for configuration batch.size: Value must be at least 1`:              topic.With("batch.size", "0"),
		`Invalid value null for configuration batch.size: Value must be non-null`:             null,
		`Invalid value Fast for configuration mode: String must be one of: slow, fast`:        topic.With("mode", "Fast"),
		`Invalid value yes for configuration loud: Expected value to be either true or false`: topic.With("loud", "yes"),
		`Invalid value inf for configuration ratio: Not a number of type DOUBLE`:              topic.With("ratio", "inf"),
		`Invalid value [hidden] for configuration secret: too short`:                          topic.With("secret", "12"),
	} {
		_, err := parse[*tickConfig](given)
		if err == nil || err.Error() != expected {
			t.Errorf("%v instead of %s", err, expected)
		} else if own := err.(*Error); own.Kind != KindConfig || own.Class != ConfigException {
			t.Errorf("%+v", own)
		}
	}
}

type roleConfig struct{ url, headers string }

func (c *roleConfig) Keys(keys *config.Keys) {
	keys.String(&c.url, "url").Opens(config.HTTPURL(
		config.Role{Role: "headers", Key: "headers"}, config.Role{Role: "headers", Key: "more"},
		config.Role{Role: "connect-timeout-ms", Key: "wait"},
	))
	keys.String(&c.headers, "wait").Default(2000)
}

func TestAKeyThatOpensAServerSaysWhatOtherKeysMean(t *testing.T) {
	text, err := json.Marshal(config.Describe(&roleConfig{})[0]["opens"])
	if err != nil {
		t.Fatal(err)
	}
	expected := `{"defaults":{"connect-timeout-ms":"2000"},"http":"url","with":{"connect-timeout-ms":["wait"],"headers":["headers","more"]}}`
	if string(text) != expected {
		t.Error(string(text))
	}
}

func collected(t *testing.T, records ...*Record) *batch.Table {
	t.Helper()
	var collector Collector
	for _, record := range records {
		if err := collector.Add(record); err != nil {
			t.Fatal(err)
		}
	}
	bytes, err := collector.Table().Bytes()
	if err == nil {
		err = batch.Check(bytes)
	}
	if err != nil {
		t.Fatal(err)
	}
	table, err := batch.Open(bytes)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestRecordsComeOutAsTheyWentIn(t *testing.T) {
	three := int32(3)
	schema := data.StructOf(data.Field{Name: "n", Schema: data.Of(data.Int32)}, data.Field{Name: "s", Schema: data.OptionalOf(data.String)})
	value := data.NewStruct(schema)
	value.Slots()[0] = int32(1)
	records := []*Record{
		{
			Topic: "t", Partition: &three, KeySchema: data.Of(data.Int8), Key: int8(4), ValueSchema: schema, Value: value,
			Headers:         []Header{{"h", nil, "x"}, {"h", data.Of(data.Int8), int8(1)}},
			SourcePartition: Offset{"file": "a"}, SourceOffset: Offset{"at": int64(1)},
		},
		{Topic: "u"},
		{Topic: "t", Key: "k", Value: data.NewMap("a", []any{1.5}), SourcePartition: Offset{"file": "a"}},
	}
	table := collected(t, records...)
	for row, record := range NewRecords(table).All() {
		expected := records[row]
		if record.Topic != expected.Topic || !data.Equal(record.Key, expected.Key) || !data.Equal(record.Value, expected.Value) ||
			!record.ValueSchema.Equal(expected.ValueSchema) || !reflect.DeepEqual(record.SourcePartition, expected.SourcePartition) ||
			!reflect.DeepEqual(record.SourceOffset, expected.SourceOffset) || len(record.Headers) != len(expected.Headers) {
			t.Errorf("row %d: %+v", row, record)
		}
	}
}

func TestARecordThatNoBatchCanCarryLeavesNothingBehind(t *testing.T) {
	var deep any
	for range 1100 {
		deep = []any{deep}
	}
	var collector Collector
	good := &Record{Topic: "t", Key: "k", Value: "good"}
	if err := collector.Add(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []*Record{
		{Topic: "t", Value: deep}, {Topic: "t", Key: deep, Value: "x"}, {Topic: "t", Headers: []Header{{"h", nil, deep}}},
		{Topic: "t", Value: "\xff"}, {Topic: "t", Value: make(chan int)}, {Topic: "t", SourceOffset: Offset{"deep": deep}},
		{Topic: "t", SourcePartition: Offset{"deep": deep}, SourceOffset: Offset{"a": 1}},
	} {
		if err := collector.Add(bad); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
	if err := collector.Add(good); err != nil {
		t.Fatal(err)
	}
	bytes, err := collector.Table().Bytes()
	if err == nil {
		err = batch.Check(bytes)
	}
	if err != nil {
		t.Fatal(err)
	}
	table, _ := batch.Open(bytes)
	count := 0
	for _, record := range NewRecords(table).All() {
		count++
		if record.Value != "good" || record.Key != "k" {
			t.Errorf("%+v", record)
		}
	}
	if count != 2 {
		t.Errorf("%d records", count)
	}
}

// double doubles numbers, drops zeros, makes three of a nine, fails for text, and panics for nulls.
type double struct{}

func (double) Apply(record *Record) (*Record, error) { return record, nil }

func (double) Expand(record *Record) ([]*Record, error) {
	switch value := record.Value.(type) {
	case int64:
		switch value {
		case 0:
			return nil, nil
		case 9:
			return []*Record{record, record, record}, nil
		}
		record.Value = value * 2
		return []*Record{record}, nil
	case string:
		return nil, BadData("no number but a %s", data.JavaClass(value))
	}
	panic("nothing to double")
}

// even holds for even numbers and cannot judge others.
type even struct{}

func (even) Test(record *Record) (bool, error) {
	number, ok := record.Value.(int64)
	if !ok {
		return false, errors.New("cannot tell")
	}
	return number%2 == 0, nil
}

func init() {
	RegisterRecordTransform(Plugin{Class: "Double"}, func(*config.None) (double, error) { return double{}, nil })
	RegisterRecordPredicate(Plugin{Class: "IsEven"}, func(*config.None) (even, error) { return even{}, nil })
}

func TestChains(t *testing.T) {
	plain := Link{Class: "Double"}
	ifEven := Link{Class: "Double", Condition: &Condition{Class: "IsEven"}}
	ifOdd := Link{Class: "Double", Condition: &Condition{Class: "IsEven", Negate: true}}
	for name, one := range map[string]struct {
		links  []Link
		values []any
		only   batch.Bits
		left   string
		failed string
	}{
		"links run one after the other":                          {[]Link{plain, plain}, []any{1, 0, 2}, nil, "[4 8]", "[]"},
		"a row that fails is named once":                         {[]Link{plain, plain}, []any{1, "x", 2}, nil, "[4 8]", "[0/1]"},
		"a panic concerns its row":                               {[]Link{plain}, []any{1, nil, 2}, nil, "[2 4]", "[0/1]"},
		"a condition limits a link":                              {[]Link{ifEven}, []any{1, 2, 0}, nil, "[1 4]", "[]"},
		"a condition can be negated":                             {[]Link{ifOdd}, []any{1, 2, 0}, nil, "[2 2 0]", "[]"},
		"a predicate sees what is left":                          {[]Link{ifOdd, ifEven}, []any{1, 3}, nil, "[4 12]", "[]"},
		"a row that cannot be judged fails":                      {[]Link{ifEven}, []any{2, nil}, nil, "[4]", "[0/1]"},
		"a row that is not meant cannot fail":                    {[]Link{ifEven}, []any{2, nil}, batch.Bits{0b01}, "[4 <nil>]", "[]"},
		"a bitmap limits the whole chain":                        {[]Link{plain, plain}, []any{1, 2, 3}, batch.Bits{0b101}, "[4 2 12]", "[]"},
		"rows that became several are meant as the one was":      {[]Link{plain, plain}, []any{9, 1, 2}, batch.Bits{0b011}, "[9 9 9 9 9 9 9 9 9 4 2]", "[]"},
		"a row of which several were made fails as a whole once": {[]Link{plain, failNine}, []any{1, 9, 3}, nil, "[2 6]", "[1/1]"},
	} {
		chain, _, err := NewChain(one.links...)
		if err != nil {
			t.Fatal(err)
		}
		var records []*Record
		for _, value := range one.values {
			if number, ok := value.(int); ok {
				value = int64(number)
			}
			records = append(records, NewRecord("t", value))
		}
		work := NewRecords(collected(t, records...))
		work.only = one.only
		if err := chain.Run(work); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bytes, err := work.table.Bytes()
		if err == nil {
			err = batch.Check(bytes)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		left := []any{}
		for _, record := range NewRecords(work.table).All() {
			left = append(left, record.Value)
		}
		failed := []string{}
		for _, row := range work.errors {
			failed = append(failed, fmt.Sprintf("%d/%d", row.Link, row.Row))
		}
		if fmt.Sprint(left) != one.left || fmt.Sprint(failed) != one.failed {
			t.Errorf("%s: left %v, failed %v", name, left, failed)
		}
	}
}

var failNine = Link{Class: "FailNine"}

type nine struct{}

func (nine) Apply(record *Record) (*Record, error) {
	if record.Value == int64(9) {
		return nil, BadData("nine")
	}
	return record, nil
}

func init() {
	RegisterRecordTransform(Plugin{Class: "FailNine"}, func(*config.None) (nine, error) { return nine{}, nil })
}

func TestRowsThatBecameSeveralSayWhereTheyCameFrom(t *testing.T) {
	chain, _, err := NewChain(Link{Class: "Double"})
	if err != nil {
		t.Fatal(err)
	}
	records := NewRecords(collected(t, NewRecord("t", int64(1)), NewRecord("t", int64(9)), NewRecord("t", int64(2))))
	if err := chain.Run(records); err != nil {
		t.Fatal(err)
	}
	for role, expected := range map[batch.Role][]int64{batch.Origin: {0, 1, 1, 1, 2}, batch.Child: {0, 0, 1, 2, 0}} {
		for row, number := range expected {
			if found, _ := records.table.Int(role, row); found != number {
				t.Errorf("role %d, row %d: %d instead of %d", role, row, found, number)
			}
		}
	}
}

func TestOffsetsSurviveTheWayThroughJSON(t *testing.T) {
	offset := Offset{"position": int64(1<<63 - 1), "ratio": 1.5, "name": `a "b" <c>`, "parts": []any{nil, true}}
	text, err := offsetText(offset)
	if err != nil || text != `{"name":"a \"b\" <c>","parts":[null,true],"position":9223372036854775807,"ratio":1.5}` {
		t.Errorf("%s, %v", text, err)
	}
	if back, err := offsetOf(text); err != nil || !reflect.DeepEqual(back, offset) {
		t.Errorf("%v, %v", back, err)
	}
	if _, err := offsetText(Offset{"x": []byte{1}}); err == nil {
		t.Error("bytes are accepted")
	}
}

func TestTextOfAFieldIsMappedInActiveRowsOnly(t *testing.T) {
	upper := func(out []byte, text string) []byte { return append(out, strings.ToUpper(text)...) }
	schema := data.StructOf(data.Field{Name: "s", Schema: data.OptionalOf(data.String)}, data.Field{Name: "n", Schema: data.Of(data.Int32)})
	structure := func(text any) *Record {
		value := data.NewStruct(schema)
		value.Slots()[0], value.Slots()[1] = text, int32(1)
		return &Record{Topic: "t", ValueSchema: schema, Value: value}
	}
	given := []*Record{
		structure("a"), NewRecord("t", data.NewMap("s", "b")), structure(nil), NewRecord("t", data.NewMap("s", 4)),
		structure("c"), NewRecord("t", nil), NewRecord("t", data.NewMap("s", "d")),
	}
	for only, expected := range map[*batch.Bits]string{
		nil:               "[Struct{s=A,n=1}, {s=B}, Struct{n=1}, {s=4}, Struct{s=C,n=1}, null, {s=D}]",
		{0b1010100 | 0b1}: "[Struct{s=A,n=1}, {s=b}, Struct{n=1}, {s=4}, Struct{s=C,n=1}, null, {s=D}]",
		{0b0000010}:       "[Struct{s=a,n=1}, {s=B}, Struct{n=1}, {s=4}, Struct{s=c,n=1}, null, {s=d}]",
	} {
		records := NewRecords(collected(t, given...))
		if only != nil {
			records.only = *only
		}
		if err := records.MapText(upper, "s"); err != nil {
			t.Fatal(err)
		}
		bytes, err := records.table.Bytes()
		if err == nil {
			err = batch.Check(bytes)
		}
		if err != nil {
			t.Fatal(err)
		}
		list := []any{}
		records.only = nil
		for _, record := range records.All() {
			list = append(list, record.Value)
		}
		if text := data.Text(list); text != expected {
			t.Errorf("%s instead of %s", text, expected)
		}
	}
}

// rewrittenTable is the batch as the host would get it.
func rewrittenTable(t *testing.T, records *Records) *batch.Table {
	t.Helper()
	bytes, err := records.table.Bytes()
	if err == nil {
		err = batch.Check(bytes)
	}
	if err != nil {
		t.Fatal(err)
	}
	table, err := batch.Open(bytes)
	if err != nil {
		t.Fatal(err)
	}
	return table
}
