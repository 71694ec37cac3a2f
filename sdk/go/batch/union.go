package batch

import "millstream.dev/sdk/data"

// Block is all rows of one side of a batch that share a schema, densely and in batch order.
type Block struct {
	// Schema is nil for schemaless data.
	Schema *data.Schema
	Column *Column
}

// Union is the keys or the values of a batch.
type Union struct {
	// Tags has the block of each row. Nil: every row is in block 0, or, without a block, null without a schema.
	Tags   []byte
	Blocks []*Block
}

// Place is where a row of a side stands.
type Place struct{ Block, Row int }

// Places are the places of all rows of a batch; Block is -1 where there is none.
func (u *Union) Places(rows int) []Place {
	places := make([]Place, rows)
	if len(u.Blocks) == 0 {
		for i := range places {
			places[i].Block = -1
		}
		return places
	}
	if u.Tags == nil {
		for i := range places {
			places[i].Row = i
		}
		return places
	}
	var next [256]int
	for i, tag := range u.Tags {
		places[i] = Place{int(tag), next[tag]}
		next[tag]++
	}
	return places
}

// Rows are the batch rows of a block, in the block's order.
func (u *Union) Rows(block, rows int) []uint32 {
	of := make([]uint32, 0, u.Blocks[block].Column.Rows)
	for row := range rows {
		if u.Tags == nil || int(u.Tags[row]) == block {
			of = append(of, uint32(row))
		}
	}
	return of
}

// Single is a union whose rows share one schema, nil for none.
func Single(schema *data.Schema, column *Column) Union {
	return Union{Blocks: []*Block{{schema, column}}}
}

func (u *Union) take(rows []uint32, total int) Union {
	places := u.Places(total)
	chosen := make([][]uint32, len(u.Blocks))
	taken := Union{}
	for _, row := range rows {
		if place := places[row]; place.Block >= 0 {
			chosen[place.Block] = append(chosen[place.Block], uint32(place.Row))
			if u.Tags != nil {
				taken.Tags = append(taken.Tags, byte(place.Block))
			}
		}
	}
	if u.Tags != nil && taken.Tags == nil {
		taken.Tags = []byte{}
	}
	for i, block := range u.Blocks {
		taken.Blocks = append(taken.Blocks, &Block{block.Schema, block.Column.Take(chosen[i])})
	}
	return taken
}

// UnionBuilder makes the keys or values of a batch row by row.
type UnionBuilder struct {
	tags    []byte
	schemas []*data.Schema
	blocks  []*Builder
	last    int
}

// Rows is the number of rows so far.
func (b *UnionBuilder) Rows() int { return len(b.tags) }

// Append appends a value with its schema, nil for none. After an error nothing is appended.
func (b *UnionBuilder) Append(schema *data.Schema, value any, schemas *Schemas) error {
	block, err := b.block(schema)
	if err != nil {
		return err
	}
	if err := b.blocks[block].Append(value, schemas); err != nil {
		return err
	}
	b.tags = append(b.tags, byte(block))
	return nil
}

func (b *UnionBuilder) block(schema *data.Schema) (int, error) {
	if b.last < len(b.blocks) && b.schemas[b.last] == schema {
		return b.last, nil
	}
	for i, other := range b.schemas {
		if other == schema || other != nil && schema != nil && other.Equal(schema) {
			b.last = i
			return i, nil
		}
	}
	if len(b.blocks) == maxBlocks {
		return 0, ErrTooManySchemas
	}
	b.last = len(b.blocks)
	b.schemas, b.blocks = append(b.schemas, schema), append(b.blocks, NewBuilderFor(schema))
	return b.last, nil
}

// AppendNull appends a null: without a schema, or, if the batch has too many schemas for that, in any block.
func (b *UnionBuilder) AppendNull() {
	block, err := b.block(nil)
	if err != nil {
		block = b.last
	}
	b.blocks[block].AppendNull()
	b.tags = append(b.tags, byte(block))
}

// TakeBack takes the newest row back.
func (b *UnionBuilder) TakeBack() {
	if len(b.tags) == 0 {
		return
	}
	block := b.blocks[b.tags[len(b.tags)-1]]
	block.truncate(block.rows - 1)
	b.tags = b.tags[:len(b.tags)-1]
}

// Finish is the union. The builder is not to be used afterwards.
func (b *UnionBuilder) Finish() Union {
	union := Union{}
	if len(b.blocks) > 1 {
		union.Tags = b.tags
	}
	for i, block := range b.blocks {
		union.Blocks = append(union.Blocks, &Block{b.schemas[i], block.Finish()})
	}
	return union
}
