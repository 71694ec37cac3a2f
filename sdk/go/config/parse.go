package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Error says what is wrong with a configuration, in Kafka's words.
type Error struct {
	Message string
	// Cause is the plugin's own error, if that is what it says.
	Cause error
}

func (e *Error) Error() string { return e.Message }

// Unwrap is the plugin's own error.
func (e *Error) Unwrap() error { return e.Cause }

// Parse checks a configuration against what c declares, and sets c's fields. The error is that of the first key that is at
// fault; keys that are not declared are no fault.
func Parse(given Map, c Configured) error {
	keys := declared(c)
	for _, key := range keys.list {
		value, err := key.parse(given)
		if err != nil {
			return err
		}
		key.bind(value)
	}
	for _, into := range keys.originals {
		*into = given
	}
	for _, key := range keys.list {
		if err := key.runCheck(given); err != nil {
			return err
		}
	}
	if checked, ok := c.(Checked); ok {
		if err := checked.Check(); err != nil {
			return &Error{err.Error(), err}
		}
	}
	return nil
}

// Finding is a key at fault, with what is wrong.
type Finding struct{ Key, Problem string }

// RunChecks says what the plugin's own checks have against a configuration. What the host refuses anyway is left out.
// Whether all keys could be parsed is returned, too: then c's fields are set.
func RunChecks(given Map, c Configured) (findings []Finding, parsed bool) {
	keys := declared(c)
	parsed = true
	sound := map[*Key]bool{}
	for _, key := range keys.list {
		value, err := key.parse(given)
		if err != nil {
			parsed = false
			continue
		}
		key.bind(value)
		sound[key] = true
	}
	for _, into := range keys.originals {
		*into = given
	}
	for _, key := range keys.list {
		if !sound[key] {
			continue
		}
		if err := key.runCheck(given); err != nil {
			findings = append(findings, Finding{key.name, err.Error()})
		}
	}
	return findings, parsed
}

func declared(c Configured) *Keys {
	keys := &Keys{}
	c.Keys(keys)
	return keys
}

func (k *Key) runCheck(given Map) error {
	if k.check == nil {
		return nil
	}
	if problem := k.check(); problem != nil {
		value, err := k.parse(given)
		if err != nil {
			return err
		}
		return k.invalid(show(value), problem.Error())
	}
	return nil
}

// parse is the value in a configuration, or the default; nil is null.
func (k *Key) parse(given Map) (any, error) {
	raw, there := given.Lookup(k.name)
	if !there {
		if k.required {
			return nil, &Error{Message: fmt.Sprintf("Missing required configuration %q which has no default value.", k.name)}
		}
		raw = k.defaulted
	}
	var value any
	if raw != nil {
		var problem string
		if value, problem = parseText(k.kind, *raw); problem != "" {
			return nil, k.invalid(*raw, problem)
		}
	}
	if k.validator != nil {
		if list, ok := value.([]string); ok && k.validator.isDistinct() {
			// Where Kafka reads a configuration, what such a list names twice counts once; the host refuses it before.
			value = distinct(list)
		}
		if refused := k.validator.check(k.name, value); refused != nil {
			switch {
			case refused.whole:
				return nil, &Error{Message: refused.problem}
			case refused.item != nil:
				return nil, k.invalid(*refused.item, refused.problem)
			}
			return nil, k.invalid(show(value), refused.problem)
		}
	}
	if value == nil && !k.nullable && (k.required || k.defaulted != nil) {
		return nil, k.invalid("null", "Value must be non-null")
	}
	return value, nil
}

func (k *Key) invalid(shown, problem string) error {
	if k.kind == PasswordType && shown != "null" {
		shown = "[hidden]"
	}
	return &Error{Message: fmt.Sprintf("Invalid value %s for configuration %s: %s", shown, k.name, problem)}
}

// show is a parsed value as Java prints it in messages.
func show(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case []string:
		return "[" + strings.Join(value, ", ") + "]"
	case float64:
		return showDouble(value)
	}
	return fmt.Sprint(value)
}

func showDouble(value float64) string {
	text := strconv.FormatFloat(value, 'f', -1, 64)
	if !strings.ContainsAny(text, ".N") && !strings.Contains(text, "Inf") {
		text += ".0"
	}
	return text
}

// trim removes what Java's trim takes for blanks: everything up to U+0020.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
}

func parseText(kind Type, raw string) (value any, problem string) {
	text := trim(raw)
	notANumber := "Not a number of type " + string(kind)
	switch kind {
	case BooleanType:
		// Java compares in upper case, where the long s is an s.
		switch strings.ToLower(strings.ReplaceAll(text, "ſ", "s")) {
		case "true":
			return true, ""
		case "false":
			return false, ""
		}
		return nil, "Expected value to be either true or false"
	case ShortType, IntType, LongType:
		bits := map[Type]int{ShortType: 16, IntType: 32, LongType: 64}[kind]
		number, err := strconv.ParseInt(text, 10, bits)
		switch {
		case err != nil:
			return nil, notANumber
		case kind == ShortType:
			return int16(number), ""
		case kind == IntType:
			return int32(number), ""
		}
		return number, ""
	case DoubleType:
		if number, ok := parseDouble(text); ok {
			return number, ""
		}
		return nil, notANumber
	case ListType:
		if text == "" {
			return []string{}, ""
		}
		items := strings.Split(text, ",")
		for i := range items {
			items[i] = strings.Trim(items[i], " \t\n\v\f\r")
		}
		return items, ""
	}
	return text, ""
}

// parseDouble reads what Java's Double.parseDouble reads.
func parseDouble(text string) (float64, bool) {
	sign, rest := "", text
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		sign, rest = rest[:1], rest[1:]
	}
	if rest == "NaN" || rest == "Infinity" {
		number, err := strconv.ParseFloat(sign+strings.TrimPrefix(rest, "+"), 64)
		return number, err == nil || rest == "NaN"
	}
	if strings.Trim(rest, "0123456789.eE+-xXpPabcdfABCDF") != "" || rest == "" || rest[0] == '+' || rest[0] == '-' {
		return 0, false
	}
	if isHex := strings.HasPrefix(rest, "0x") || strings.HasPrefix(rest, "0X"); !isHex || strings.ContainsAny(rest, "pP") {
		rest = strings.TrimRight(rest, "dDfF")
		if len(text)-len(sign)-len(rest) > 1 {
			return 0, false
		}
	}
	number, err := strconv.ParseFloat(sign+rest, 64)
	if err != nil && number != 0 && (number > 1 || number < -1) {
		return number, true // Beyond the range Java gives an infinity, as this does.
	}
	return number, err == nil
}

func distinct(items []string) []string {
	kept := make([]string, 0, len(items))
	for _, item := range items {
		if !contains(kept, item) {
			kept = append(kept, item)
		}
	}
	return kept
}

func contains(items []string, item string) bool {
	for _, other := range items {
		if other == item {
			return true
		}
	}
	return false
}
