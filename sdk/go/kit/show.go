package main

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"millstream.dev/sdk/data"
)

// show is a value as the specification of the guest shows it.
func show(value any) string {
	switch value := value.(type) {
	case string:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
	case []byte:
		return fmt.Sprintf("0x%x", value)
	case data.Decimal:
		return "dec(" + plain(value) + ")"
	case time.Time:
		return fmt.Sprintf("at(%d)", value.UnixMilli())
	case []any:
		items := make([]string, len(value))
		for i, item := range value {
			items[i] = show(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		made, err := data.Plain(value)
		if err != nil {
			return err.Error()
		}
		return show(made)
	case *data.Map:
		var entries []string
		for key, item := range value.All() {
			entries = append(entries, show(key)+": "+show(item))
		}
		return "{" + strings.Join(entries, ", ") + "}"
	case *data.Struct:
		var fields []string
		for i, slot := range value.Slots() {
			fields = append(fields, value.Schema().Fields[i].Name+"="+show(slot))
		}
		name := value.Schema().SchemaName()
		if value.Schema().Name == nil {
			name = "struct"
		}
		return name + "{" + strings.Join(fields, ", ") + "}"
	}
	return data.Text(value)
}

// plain is a decimal without an exponent.
func plain(value data.Decimal) string {
	if value.Scale >= 0 {
		digits := new(big.Int).Abs(value.Unscaled).String()
		if missing := int(value.Scale) + 1 - len(digits); missing > 0 {
			digits = strings.Repeat("0", missing) + digits
		}
		if at := len(digits) - int(value.Scale); value.Scale > 0 {
			digits = digits[:at] + "." + digits[at:]
		}
		if value.Unscaled.Sign() < 0 {
			digits = "-" + digits
		}
		return digits
	}
	return value.Unscaled.String() + strings.Repeat("0", int(-value.Scale))
}
