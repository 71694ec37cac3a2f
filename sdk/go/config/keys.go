package config

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Configured is a plugin's own struct of its configuration; a pointer to it implements this.
type Configured interface {
	// Keys declares each key once, in the order in which they are to be shown, with the field that its value goes to.
	// It is called to describe the plugin, too: it only declares.
	Keys(*Keys)
}

// Checked is implemented by a [Configured] that has rules between keys, such as two that exclude each other.
type Checked interface {
	// Check says what is wrong when all keys have their values; the plugin does not start then.
	Check() error
}

// Pointer is a pointer to a struct of configuration: what registering functions ask for.
type Pointer[C any] interface {
	*C
	Configured
}

// None is the configuration of plugins that have none.
type None struct{}

// Keys declares nothing.
func (*None) Keys(*Keys) {}

// Keys are the keys of a plugin.
type Keys struct {
	list      []*Key
	originals []*Map
}

// Type of a key's values, as in Kafka's ConfigDef.
type Type string

// The types.
const (
	StringType   Type = "STRING"
	PasswordType Type = "PASSWORD"
	BooleanType  Type = "BOOLEAN"
	ShortType    Type = "SHORT"
	IntType      Type = "INT"
	LongType     Type = "LONG"
	DoubleType   Type = "DOUBLE"
	ListType     Type = "LIST"
	ClassType    Type = "CLASS"
)

// Importance says how much a key matters to a user.
type Importance string

// The importances.
const (
	High   Importance = "HIGH"
	Medium Importance = "MEDIUM"
	Low    Importance = "LOW"
)

// Width says how wide a field user interfaces give a value.
type Width string

// The widths.
const (
	NoWidth     Width = "NONE"
	ShortWidth  Width = "SHORT"
	MediumWidth Width = "MEDIUM"
	LongWidth   Width = "LONG"
)

// Key is one key. A key that is neither required nor has a default is null when it is not set; the field that it is bound
// to is zero then, or nil for the Opt… functions.
type Key struct {
	name        string
	kind        Type
	required    bool
	defaulted   *string
	importance  Importance
	doc         string
	group       *string
	order       int
	width       Width
	displayName string
	dependents  []string
	recommended []string
	validator   *Validator
	check       func() error
	opens       *Opens
	bind        func(value any)
	nullable    bool
}

func (k *Keys) add(name string, kind Type, nullable bool, bind func(any)) *Key {
	for _, other := range k.list {
		if other.name == name {
			panic("config: key " + name + " is declared twice")
		}
	}
	key := &Key{
		name: name, kind: kind, importance: Medium, order: -1, width: NoWidth, displayName: name, bind: bind, nullable: nullable,
	}
	k.list = append(k.list, key)
	return key
}

func bindTo[T any](into *T) func(any) {
	return func(value any) {
		*into, _ = value.(T) // nil, and nothing else, is another type: zero.
	}
}

func bindOpt[T any](into **T) func(any) {
	return func(value any) {
		*into = nil
		if value, ok := value.(T); ok {
			*into = &value
		}
	}
}

// String is a key for text.
func (k *Keys) String(into *string, name string) *Key {
	return k.add(name, StringType, false, bindTo(into))
}

// OptString is a key for text that may be null.
func (k *Keys) OptString(into **string, name string) *Key {
	return k.add(name, StringType, true, bindOpt(into))
}

// Password is a key for text that is never shown.
func (k *Keys) Password(into *string, name string) *Key {
	return k.add(name, PasswordType, false, bindTo(into))
}

// OptPassword is a key for text that is never shown and may be null.
func (k *Keys) OptPassword(into **string, name string) *Key {
	return k.add(name, PasswordType, true, bindOpt(into))
}

// Class is a key for the name of a class or plugin.
func (k *Keys) Class(into *string, name string) *Key {
	return k.add(name, ClassType, false, bindTo(into))
}

// OptClass is a key for the name of a class or plugin that may be null.
func (k *Keys) OptClass(into **string, name string) *Key {
	return k.add(name, ClassType, true, bindOpt(into))
}

// Bool is a key for true or false.
func (k *Keys) Bool(into *bool, name string) *Key {
	return k.add(name, BooleanType, false, bindTo(into))
}

// OptBool is a key for true or false that may be null.
func (k *Keys) OptBool(into **bool, name string) *Key {
	return k.add(name, BooleanType, true, bindOpt(into))
}

// Short is a key for a 16-bit integer.
func (k *Keys) Short(into *int16, name string) *Key {
	return k.add(name, ShortType, false, bindTo(into))
}

// OptShort is a key for a 16-bit integer that may be null.
func (k *Keys) OptShort(into **int16, name string) *Key {
	return k.add(name, ShortType, true, bindOpt(into))
}

// Int is a key for a 32-bit integer.
func (k *Keys) Int(into *int, name string) *Key {
	return k.add(name, IntType, false, func(value any) {
		number, _ := value.(int32)
		*into = int(number)
	})
}

// OptInt is a key for a 32-bit integer that may be null.
func (k *Keys) OptInt(into **int, name string) *Key {
	return k.add(name, IntType, true, func(value any) {
		*into = nil
		if number, ok := value.(int32); ok {
			wide := int(number)
			*into = &wide
		}
	})
}

// Long is a key for a 64-bit integer.
func (k *Keys) Long(into *int64, name string) *Key {
	return k.add(name, LongType, false, bindTo(into))
}

// OptLong is a key for a 64-bit integer that may be null.
func (k *Keys) OptLong(into **int64, name string) *Key {
	return k.add(name, LongType, true, bindOpt(into))
}

// Double is a key for a floating-point number.
func (k *Keys) Double(into *float64, name string) *Key {
	return k.add(name, DoubleType, false, bindTo(into))
}

// OptDouble is a key for a floating-point number that may be null.
func (k *Keys) OptDouble(into **float64, name string) *Key {
	return k.add(name, DoubleType, true, bindOpt(into))
}

// List is a key for texts between commas.
func (k *Keys) List(into *[]string, name string) *Key {
	return k.add(name, ListType, false, bindTo(into))
}

// Millis is a key for a time in milliseconds, a 64-bit integer.
func (k *Keys) Millis(into *time.Duration, name string) *Key {
	return k.add(name, LongType, false, func(value any) {
		number, _ := value.(int64)
		*into = time.Duration(min(number, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	})
}

// IntMillis is a key for a time in milliseconds, a 32-bit integer.
func (k *Keys) IntMillis(into *time.Duration, name string) *Key {
	return k.add(name, IntType, false, func(value any) {
		number, _ := value.(int32)
		*into = time.Duration(number) * time.Millisecond
	})
}

// Originals has everything put where into points that the user set, also keys that are not declared.
func (k *Keys) Originals(into *Map) { k.originals = append(k.originals, into) }

// Required says that the key must be set.
func (k *Key) Required() *Key { k.required = true; return k }

// Default is the value if the key is not set, as a user would write it: a text, number, bool, list of texts or Duration.
func (k *Key) Default(value any) *Key {
	text := fmt.Sprint(value)
	switch value := value.(type) {
	case []string:
		text = strings.Join(value, ",")
	case time.Duration:
		text = fmt.Sprint(value.Milliseconds())
	}
	k.defaulted = &text
	return k
}

// Importance says how much the key matters; medium if it is not said.
func (k *Key) Importance(importance Importance) *Key { k.importance = importance; return k }

// Doc is what the key does, in a sentence or two.
func (k *Key) Doc(doc string) *Key { k.doc = doc; return k }

// Group is the heading under which user interfaces show the key, and its place there.
func (k *Key) Group(group string, order int) *Key { k.group, k.order = &group, order; return k }

// Width is how wide a field user interfaces give the value.
func (k *Key) Width(width Width) *Key { k.width = width; return k }

// DisplayName is the name for people; the key itself if it is not said.
func (k *Key) DisplayName(name string) *Key { k.displayName = name; return k }

// Dependents are keys whose meaning depends on this one.
func (k *Key) Dependents(keys ...string) *Key { k.dependents = keys; return k }

// Recommended are values that user interfaces offer.
func (k *Key) Recommended(values ...string) *Key { k.recommended = values; return k }

// Validator is what values are accepted; the host checks it before the plugin is started.
func (k *Key) Validator(validator Validator) *Key { k.validator = &validator; return k }

// NonEmpty accepts text that is not empty.
func (k *Key) NonEmpty() *Key { return k.Validator(NonEmpty()) }

// Range accepts numbers within bounds, both inclusive.
func (k *Key) Range(least, most float64) *Key { return k.Validator(Range(least, most)) }

// AtLeast accepts numbers from a bound on.
func (k *Key) AtLeast(least float64) *Key { return k.Validator(AtLeast(least)) }

// OneOf accepts one of these texts exactly.
func (k *Key) OneOf(values ...string) *Key { return k.Validator(OneOf(values...)) }

// NonEmptyList accepts lists with at least one item, none of them empty or given twice.
func (k *Key) NonEmptyList() *Key { return k.Validator(NonEmptyList()) }

// Check is a further check in the plugin's own code, when the key's field has its value. Its error says what is wrong and
// is shown as "Invalid value … for configuration …: …". The host runs it when a user submits the configuration of a
// connector, and every plugin runs it when it starts.
func (k *Key) Check(check func() error) *Key { k.check = check; return k }

// Opens is what the value opens for the plugin.
func (k *Key) Opens(opens Opens) *Key { k.opens = &opens; return k }
