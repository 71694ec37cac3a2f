package sdk

import (
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/internal/contract"
)

// Predicate says for which rows of a batch it holds. [RecordPredicate] is the comfortable way.
type Predicate interface {
	// Test says for each selected row whether it holds; nobody asks for the others. An error is one of the batch as a whole:
	// the task fails with it.
	Test(records *batch.Table, verdict *Verdict) error
}

// RecordPredicate looks at one record at a time.
type RecordPredicate interface {
	// Test says whether it holds for a record. After an error the transform fails for it.
	Test(record *Record) (bool, error)
}

// Verdict is for which rows of a batch a predicate holds, and which rows failed.
type Verdict struct {
	holds  batch.Bits
	rows   int
	errors []RowError
}

// NewVerdict holds for none of so many rows so far.
func NewVerdict(rows int) *Verdict { return &Verdict{holds: batch.NewBits(rows, false), rows: rows} }

// Set says whether the predicate holds for a row.
func (v *Verdict) Set(row int, holds bool) { v.holds.Set(row, holds) }

// SetAll gives all rows the same answer.
func (v *Verdict) SetAll(holds bool) { v.holds = batch.NewBits(v.rows, holds) }

// Fail says that a row cannot be judged; the transform fails for it.
func (v *Verdict) Fail(row int, err error) { v.errors = append(v.errors, RowError{row, err}) }

// Holds says whether the predicate holds for a row.
func (v *Verdict) Holds(row int) bool { return v.holds.Get(row) }

// Errors are the rows that could not be judged.
func (v *Verdict) Errors() []RowError { return v.errors }

type predicateMaker func(config.Map) (Predicate, error)

// RegisterPredicate adds a predicate to this component.
func RegisterPredicate[P config.Pointer[C], C any, T Predicate](plugin Plugin, configure func(P) (T, error)) {
	register("predicate", plugin, keysOf[P](), predicateMaker(func(given config.Map) (Predicate, error) {
		parsed, err := parse[P](given)
		if err != nil {
			return nil, err
		}
		return configure(parsed)
	}))
}

// RegisterRecordPredicate adds a predicate that looks at one record at a time to this component.
func RegisterRecordPredicate[P config.Pointer[C], C any, T RecordPredicate](plugin Plugin, configure func(P) (T, error)) {
	RegisterPredicate(plugin, func(config P) (Predicate, error) {
		made, err := configure(config)
		if err != nil {
			return nil, err
		}
		return eachTested{made}, nil
	})
}

type eachTested struct{ predicate RecordPredicate }

func (e eachTested) Test(table *batch.Table, verdict *Verdict) error {
	reader := newReader(table)
	reader.lazy = true
	for row := range table.Rows {
		if !reader.isSelected(row) {
			continue
		}
		holds, err := e.one(reader.record(row))
		if err != nil {
			verdict.Fail(row, err)
		} else {
			verdict.Set(row, holds)
		}
	}
	return nil
}

func (e eachTested) one(record *Record) (holds bool, err error) {
	defer catch(&err, KindData)
	return e.predicate.Test(record)
}

// predicateOf is a predicate as the host holds it.
type predicateOf struct{ predicate Predicate }

func (p predicateOf) Test(bytes []byte) (found contract.Verdict, failed *contract.Error) {
	failed = lower(func() (err error) {
		defer catch(&err, KindFatal)
		table, err := batch.Open(bytes)
		if err != nil {
			return Fatal("read the batch: %w", err)
		}
		verdict := NewVerdict(table.Rows)
		if err := p.predicate.Test(table, verdict); err != nil {
			return err
		}
		found.Holds = verdict.holds
		for _, one := range verdict.errors {
			found.Errors = append(found.Errors, lowerRow(one.Row, 0, one.Err))
		}
		return nil
	}())
	return found, failed
}
