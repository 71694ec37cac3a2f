package batch

import "millstream.dev/sdk/data"

// Change is what a column becomes: that of a field, with the field's schema, which is nil for schemaless data. It may be
// returned as it is.
type Change func(schema *data.Schema, column *Column) (*Column, error)

// EditField replaces what a path leads to in each block: the column of a field of structs and schemaless maps, or the whole
// block without a path. Blocks that do not have it stay as they are. What the change returns must have as many rows, and
// hold what the schema calls for.
//
// Values of mixed types without a schema stand in columns of the kind Variant; the change sees them if the path ends there.
// Maps within a Variant are not looked into: [EditVariants] does that.
func (u *Union) EditField(path []string, change Change) error {
	for i, block := range u.Blocks {
		changed, err := editField(block.Schema, block.Column, path, change)
		if err != nil {
			return err
		}
		if changed != block.Column {
			// Others may hold the block.
			u.Blocks[i] = &Block{block.Schema, changed}
		}
	}
	return nil
}

func editField(schema *data.Schema, column *Column, path []string, change Change) (*Column, error) {
	if len(path) == 0 {
		changed, err := change(schema, column)
		if err != nil || changed == column {
			return column, err
		}
		// What a change need not know of: the name, and where a map lacks the key.
		copied := *changed
		copied.Name, copied.Present = column.Name, column.Present
		return &copied, nil
	}
	given := column
	if column.Constant {
		// The change sees a row for each of the block's.
		column = column.Expanded()
	}
	at := -1
	var inner *data.Schema
	switch column.Kind {
	case Struct:
		if at = schema.Field(path[0]); at >= 0 {
			inner = schema.Fields[at].Schema
		}
	case Object:
		for i, child := range column.Children {
			if child.Name == path[0] {
				at = i
			}
		}
	}
	if at < 0 || at >= len(column.Children) {
		return given, nil
	}
	changed, err := editField(inner, column.Children[at], path[1:], change)
	if err != nil || changed == column.Children[at] {
		return given, err
	}
	copied := *column
	copied.Children = append([]*Column(nil), column.Children...)
	copied.Children[at] = changed
	return &copied, nil
}

// EditVariants changes values that stand in columns of the kind Variant on the way that a path leads: those of mixed types
// without a schema. change gets what the path leads to, and is not asked where it leads to nothing.
func (t *Table) EditVariants(u *Union, path []string, change func(row int, value any) (any, error)) error {
	for i, block := range u.Blocks {
		var rows []uint32
		changed, err := t.editVariants(block.Schema, block.Column, path, func(row int, value any) (any, error) {
			if rows == nil {
				rows = u.Rows(i, t.Rows)
			}
			return change(int(rows[row]), value)
		})
		if err != nil {
			return err
		}
		if changed != block.Column {
			u.Blocks[i] = &Block{block.Schema, changed}
		}
	}
	return nil
}

func (t *Table) editVariants(schema *data.Schema, column *Column, path []string, change func(int, any) (any, error)) (*Column, error) {
	if column.Kind != Variant {
		if len(path) == 0 {
			return column, nil
		}
		return editField(schema, column, path[:1], func(inner *data.Schema, child *Column) (*Column, error) {
			return t.editVariants(inner, child, path[1:], change)
		})
	}
	builder := NewBuilder()
	for row := range column.Rows {
		value := column.Value(row, schema, t.Schemas)
		if value != nil {
			var err error
			if value, err = editValue(value, path, func(value any) (any, error) { return change(row, value) }); err != nil {
				return nil, err
			}
		}
		if err := builder.Append(value, t.Schemas); err != nil {
			return nil, err
		}
	}
	made := builder.Finish()
	if schema != nil && made.Kind != KindOf(schema) && made.Kind != Null {
		// Values that break their schema stay variants.
		builder.becomeVariant(t.Schemas)
		made = builder.Finish()
	}
	made.Name, made.Present = column.Name, column.Present
	return made, nil
}

func editValue(value any, path []string, change func(any) (any, error)) (any, error) {
	if len(path) == 0 {
		return change(value)
	}
	switch value := value.(type) {
	case *data.Map:
		if inner, ok := value.Lookup(path[0]); ok && inner != nil {
			changed, err := editValue(inner, path[1:], change)
			if err != nil {
				return nil, err
			}
			value.Set(path[0], changed)
		}
	case *data.Struct:
		if inner := value.GetWithoutDefault(path[0]); inner != nil {
			changed, err := editValue(inner, path[1:], change)
			if err != nil {
				return nil, err
			}
			return value, value.Set(path[0], changed)
		}
	}
	return value, nil
}
