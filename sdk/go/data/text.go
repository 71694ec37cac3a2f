package data

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// JavaClass is the name of the Java class that Connect's messages use for a value.
func JavaClass(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "java.lang.Boolean"
	case int8:
		return "java.lang.Byte"
	case int16:
		return "java.lang.Short"
	case int32:
		return "java.lang.Integer"
	case int64, int:
		return "java.lang.Long"
	case float32:
		return "java.lang.Float"
	case float64:
		return "java.lang.Double"
	case string:
		return "java.lang.String"
	case []byte:
		return "[B"
	case Decimal:
		return "java.math.BigDecimal"
	case *big.Int:
		return "java.math.BigInteger"
	case time.Time:
		return "java.util.Date"
	case []any:
		return "java.util.ArrayList"
	case *Map:
		return "java.util.HashMap"
	case *Struct:
		return "org.apache.kafka.connect.data.Struct"
	}
	return fmt.Sprintf("%T", value)
}

// Zone is the time zone in which [Text] writes instants: the worker's. It is UTC until the SDK has read it.
var Zone = func(at time.Time) (offset time.Duration, name string) { return 0, "UTC" }

// Text is a value as Java's String.valueOf writes it, which is what Connect's StringConverter does: 1.0, 1.0E7, {a=1},
// [1, 2], Struct{a=1} with set fields only, Thu Jan 01 00:00:00 UTC 1970. Bytes are [B@0.
func Text(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	return string(AppendText(nil, value))
}

// AppendText appends [Text].
func AppendText(out []byte, value any) []byte {
	switch value := value.(type) {
	case nil:
		return append(out, "null"...)
	case bool:
		return strconv.AppendBool(out, value)
	case int8:
		return strconv.AppendInt(out, int64(value), 10)
	case int16:
		return strconv.AppendInt(out, int64(value), 10)
	case int32:
		return strconv.AppendInt(out, int64(value), 10)
	case int64:
		return strconv.AppendInt(out, value, 10)
	case int:
		return strconv.AppendInt(out, int64(value), 10)
	case float32:
		return appendFloat(out, float64(value), 32)
	case float64:
		return appendFloat(out, value, 64)
	case string:
		return append(out, value...)
	case []byte:
		return append(out, "[B@0"...)
	case Decimal:
		return append(out, value.String()...)
	case *big.Int:
		return value.Append(out, 10)
	case time.Time:
		return appendDate(out, value)
	case []any:
		out = append(out, '[')
		for i, item := range value {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = AppendText(out, item)
		}
		return append(out, ']')
	case *Map:
		out = append(out, '{')
		for i, entry := range value.Entries() {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = append(AppendText(out, entry.Key), '=')
			out = AppendText(out, entry.Value)
		}
		return append(out, '}')
	case *Struct:
		out = append(out, "Struct{"...)
		first := true
		for i, slot := range value.Slots() {
			if slot == nil {
				continue
			}
			if !first {
				out = append(out, ',')
			}
			first = false
			out = append(append(out, value.schema.Fields[i].Name...), '=')
			out = AppendText(out, slot)
		}
		return append(out, '}')
	}
	return fmt.Append(out, value)
}

// String is Connect's text of a struct.
func (s *Struct) String() string { return Text(s) }

// String is Connect's text of a map.
func (m *Map) String() string { return Text(m) }

// String is BigDecimal's text: plain, or with an exponent where the scale is negative or the number is below 10^-6.
func (d Decimal) String() string {
	digits := new(big.Int).Abs(d.Unscaled).String()
	sign := ""
	if d.Unscaled.Sign() < 0 {
		sign = "-"
	}
	scale := int64(d.Scale)
	exponent := int64(len(digits)) - 1 - scale
	switch {
	case scale == 0:
		return sign + digits
	case scale > 0 && exponent >= -6:
		if missing := int(scale) + 1 - len(digits); missing > 0 {
			digits = strings.Repeat("0", missing) + digits
		}
		at := len(digits) - int(scale)
		return sign + digits[:at] + "." + digits[at:]
	}
	text := sign + digits[:1]
	if len(digits) > 1 {
		text += "." + digits[1:]
	}
	if exponent != 0 {
		text += fmt.Sprintf("E%+d", exponent)
	}
	return text
}

// appendFloat appends Java's Double.toString or Float.toString: the shortest digits that read back as the same number, at
// least one of them behind the point, plain from 10^-3 up to 10^7.
func appendFloat(out []byte, value float64, bits int) []byte {
	switch {
	case math.IsNaN(value):
		return append(out, "NaN"...)
	case math.IsInf(value, 1):
		return append(out, "Infinity"...)
	case math.IsInf(value, -1):
		return append(out, "-Infinity"...)
	}
	if size := math.Abs(value); value == 0 || size >= 1e-3 && size < 1e7 {
		at := len(out)
		out = strconv.AppendFloat(out, value, 'f', -1, bits)
		if !strings.Contains(string(out[at:]), ".") {
			out = append(out, ".0"...)
		}
		return out
	}
	text := strconv.FormatFloat(value, 'e', -1, bits)
	mantissa, exponent, _ := strings.Cut(text, "e")
	if !strings.Contains(mantissa, ".") {
		// Of one digit and two that read back as the same number Java writes two, those nearest to it.
		mantissa = twoDigits(value, bits, mantissa)
	}
	number, _ := strconv.Atoi(exponent)
	return append(append(append(out, mantissa...), 'E'), strconv.Itoa(number)...)
}

// twoDigits is the mantissa with two digits: those nearest to the number if they read back as it.
func twoDigits(value float64, bits int, one string) string {
	text := strconv.FormatFloat(value, 'e', 1, bits)
	if parsed, err := strconv.ParseFloat(text, bits); err == nil && parsed == value {
		mantissa, _, _ := strings.Cut(text, "e")
		if _, exponent, _ := strings.Cut(strconv.FormatFloat(value, 'e', -1, bits), "e"); strings.HasSuffix(text, "e"+exponent) {
			return mantissa
		}
	}
	return one + ".0"
}

func appendDate(out []byte, at time.Time) []byte {
	offset, name := Zone(at)
	at = at.UTC().Add(offset)
	year := at.Year()
	if year < 1 {
		year = 1 - year
	}
	out = at.AppendFormat(out, "Mon Jan 02 15:04:05 ")
	out = append(append(out, name...), ' ')
	return strconv.AppendInt(out, int64(year), 10)
}
