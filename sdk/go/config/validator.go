package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Validator is a condition on the value of a key that the host can check by itself. The list is closed; what it cannot say
// goes into [Key.Check].
type Validator struct {
	json  any
	list  bool
	allow bool // duplicates
	test  func(key string, value any) *refusal
}

// refusal is why a value is refused: a problem to be put behind "Invalid value … for configuration …: ", or a message.
type refusal struct {
	problem string
	whole   bool
	item    *string
}

func (v *Validator) check(key string, value any) *refusal { return v.test(key, value) }

func (v *Validator) isDistinct() bool { return v.list && !v.allow }

func refuse(format string, values ...any) *refusal {
	return &refusal{problem: fmt.Sprintf(format, values...)}
}

func object(name string, member any) map[string]any { return map[string]any{name: member} }

// Range accepts numbers within bounds, both inclusive. Null is refused.
func Range(least, most float64) Validator { return bounds(&least, &most) }

// AtLeast accepts numbers from a bound on. Null is refused.
func AtLeast(least float64) Validator { return bounds(&least, nil) }

// AtMost accepts numbers up to a bound. Null is refused.
func AtMost(most float64) Validator { return bounds(nil, &most) }

func bounds(least, most *float64) Validator {
	members := map[string]any{}
	if least != nil {
		members["min"] = *least
	}
	if most != nil {
		members["max"] = *most
	}
	return Validator{json: object("range", members), test: func(_ string, value any) *refusal {
		var found float64
		shown := func(bound float64) string { return strconv.FormatFloat(bound, 'f', -1, 64) }
		switch value := value.(type) {
		case int16:
			found = float64(value)
		case int32:
			found = float64(value)
		case int64:
			found = float64(value)
		case float64:
			found, shown = value, showDouble
		default:
			return refuse("Value must be non-null")
		}
		switch {
		case least != nil && found < *least:
			return refuse("Value must be at least %s", shown(*least))
		case most != nil && found > *most:
			return refuse("Value must be no more than %s", shown(*most))
		}
		return nil
	}}
}

// OneOf accepts one of these texts exactly.
func OneOf(values ...string) Validator {
	return Validator{json: object("one_of", values), test: func(_ string, value any) *refusal {
		if text, ok := value.(string); ok && contains(values, text) {
			return nil
		}
		return refuse("String must be one of: %s", strings.Join(values, ", "))
	}}
}

// OneOfIgnoreCase accepts one of these texts in any case.
func OneOfIgnoreCase(values ...string) Validator {
	return Validator{json: object("one_of_ignore_case", values), test: func(_ string, value any) *refusal {
		if text, ok := value.(string); ok {
			for _, one := range values {
				if strings.EqualFold(one, text) {
					return nil
				}
			}
		}
		return refuse("String must be one of (case insensitive): %s", strings.ToUpper(strings.Join(values, ", ")))
	}}
}

// NonEmpty accepts text that is not empty, and null.
func NonEmpty() Validator {
	return Validator{json: object("non_empty", true), test: func(_ string, value any) *refusal {
		if value == "" {
			return refuse("String must be non-empty")
		}
		return nil
	}}
}

// NonNull accepts anything but null.
func NonNull() Validator {
	return Validator{json: object("non_null", true), test: func(_ string, value any) *refusal {
		if value == nil {
			return refuse("entry must be non null")
		}
		return nil
	}}
}

// NonEmptyWithoutControlChars accepts text that is not empty and has no control characters, and null.
func NonEmptyWithoutControlChars() Validator {
	return Validator{json: object("non_empty_without_control_chars", true), test: func(_ string, value any) *refusal {
		text, ok := value.(string)
		if ok && text == "" {
			return refuse("String may not be empty")
		}
		var found []string
		for _, r := range text {
			if unicode.IsControl(r) {
				found = append(found, strconv.Itoa(int(r)))
			}
		}
		if found != nil {
			return refuse("String may not contain control sequences but had the following ASCII chars: %s", strings.Join(found, ", "))
		}
		return nil
	}}
}

// ListRules are what a list has to be like.
type ListRules struct {
	AllowEmpty, AllowNull, AllowDuplicates bool
	// OneOf are the only items that are accepted; any if there are none here.
	OneOf []string
}

// NonEmptyList accepts lists with at least one item, none of them empty or given twice.
func NonEmptyList() Validator { return List(ListRules{}) }

// List accepts lists without empty items.
func List(rules ListRules) Validator {
	oneOf := rules.OneOf
	if oneOf == nil {
		oneOf = []string{}
	}
	json := object("list", map[string]any{
		"allow_empty": rules.AllowEmpty, "allow_null": rules.AllowNull, "allow_duplicates": rules.AllowDuplicates,
		"one_of": oneOf,
	})
	return Validator{json: json, list: true, allow: rules.AllowDuplicates, test: func(key string, value any) *refusal {
		message := func(text string) *refusal {
			return &refusal{problem: "Configuration '" + key + "' " + text, whole: true}
		}
		items, ok := value.([]string)
		if !ok {
			if rules.AllowNull {
				return nil
			}
			return message("values must not be null.")
		}
		if len(items) == 0 && !rules.AllowEmpty {
			accepted := "any non-empty value"
			if len(oneOf) > 0 {
				accepted = "[" + strings.Join(oneOf, ", ") + "]"
			}
			return message("must not be empty. Valid values include: " + accepted)
		}
		if !rules.AllowDuplicates && len(distinct(items)) != len(items) {
			return message("values must not be duplicated.")
		}
		for _, item := range items {
			if item == "" {
				return message("values must not be empty.")
			}
			if len(oneOf) > 0 && !contains(oneOf, item) {
				return &refusal{problem: "String must be one of: " + strings.Join(oneOf, ", "), item: &item}
			}
		}
		return nil
	}}
}

// UniqueAliases accepts a list that is not null and names nothing twice.
func UniqueAliases() Validator {
	return Validator{json: object("unique_aliases", true), test: func(_ string, value any) *refusal {
		items, ok := value.([]string)
		switch {
		case !ok:
			return refuse("entry must be non null")
		case len(distinct(items)) != len(items):
			return refuse("Duplicate alias provided.")
		}
		return nil
	}}
}

// SomeItems accepts a list with at least one item, whatever the items are.
func SomeItems() Validator {
	return Validator{json: object("some_items", true), test: func(_ string, value any) *refusal {
		if items, ok := value.([]string); ok && len(items) > 0 {
			return nil
		}
		return refuse("Empty list")
	}}
}

// Regex accepts a regular expression in Java's syntax, and null. Only the host checks it.
func Regex() Validator {
	return Validator{json: object("regex", true), test: func(string, any) *refusal { return nil }}
}

// All accepts what all of these accept, asked in order.
func All(rules ...Validator) Validator {
	list := make([]any, len(rules))
	for i, rule := range rules {
		list[i] = rule.json
	}
	return Validator{json: object("all", list), test: func(key string, value any) *refusal {
		for _, rule := range rules {
			if refused := rule.test(key, value); refused != nil {
				return refused
			}
		}
		return nil
	}}
}

// NullOr accepts null, and what another accepts.
func NullOr(rule Validator) Validator {
	return Validator{json: object("null_or", rule.json), test: func(key string, value any) *refusal {
		if value == nil {
			return nil
		}
		return rule.test(key, value)
	}}
}
