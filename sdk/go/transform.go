package sdk

import (
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/internal/contract"
)

// Transform changes whole batches: the fast way, column by column. [RecordTransform] is the comfortable way.
type Transform interface {
	// Apply changes the active rows of a batch; all others have to be left as they are. A row that cannot be changed goes to
	// [Records.Fail], one that is to be dropped to [Records.Filter]. An error is one of the batch as a whole: the task fails
	// with it.
	Apply(records *Records) error
}

// RecordTransform looks at one record at a time. It may implement [Expander], too.
type RecordTransform interface {
	// Apply returns the record changed, which may be the one given, or nil to drop it on purpose. Headers, key, value, topic,
	// partition and timestamp may change; where the record came from stays as it is. After an error the record has failed,
	// and the error policy of the task decides what becomes of it.
	Apply(record *Record) (*Record, error)
}

// Expander is implemented by record transforms that make several records of one.
type Expander interface {
	// Expand returns all that a record becomes, in place of Apply.
	Expand(record *Record) ([]*Record, error)
}

type transformMaker func(config.Map) (Transform, error)

// RegisterTransform adds a transform to this component.
func RegisterTransform[P config.Pointer[C], C any, T Transform](plugin Plugin, configure func(P) (T, error)) {
	register("transform", plugin, keysOf[P](), transformMaker(func(given config.Map) (Transform, error) {
		parsed, err := parse[P](given)
		if err != nil {
			return nil, err
		}
		return configure(parsed)
	}))
}

// RegisterRecordTransform adds a transform that looks at one record at a time to this component.
func RegisterRecordTransform[P config.Pointer[C], C any, T RecordTransform](plugin Plugin, configure func(P) (T, error)) {
	RegisterTransform(plugin, func(config P) (Transform, error) {
		made, err := configure(config)
		if err != nil {
			return nil, err
		}
		return EachRecord(made), nil
	})
}

// EachRecord is a record transform as one of batches.
func EachRecord(transform RecordTransform) Transform { return eachRecord{transform} }

type eachRecord struct{ transform RecordTransform }

func (e eachRecord) Apply(records *Records) error {
	expander, ok := e.transform.(Expander)
	if ok {
		return records.ReplaceEach(expander.Expand)
	}
	// One slice is enough: it is read before the next record is asked for.
	var one [1]*Record
	return records.ReplaceEach(func(record *Record) ([]*Record, error) {
		made, err := e.transform.Apply(record)
		if made == nil || err != nil {
			return nil, err
		}
		one[0] = made
		return one[:], nil
	})
}

// Link is what a link of a [Chain] is to be made of.
type Link struct {
	Class  string
	Config config.Map
	// Condition is nil for links that are applied everywhere.
	Condition *Condition
}

// Condition is the predicate of a link.
type Condition struct {
	Class  string
	Config config.Map
	// Negate applies the link where the predicate does not hold.
	Negate bool
}

// Chain is transforms that run one after the other over each batch, as a worker runs them.
type Chain struct{ links []link }

type link struct {
	transform Transform
	predicate Predicate
	negate    bool
}

// NewChain makes a chain of transforms and predicates that are registered: for tests. An error says which link is at fault.
func NewChain(links ...Link) (chain *Chain, at int, failed error) {
	chain = &Chain{}
	for i, spec := range links {
		made, err := newLink(spec)
		if err != nil {
			return nil, i, err
		}
		chain.links = append(chain.links, made)
	}
	return chain, 0, nil
}

func newLink(spec Link) (made link, err error) {
	defer catch(&err, KindFatal)
	maker, err := find[transformMaker](spec.Class)
	if err != nil {
		return link{}, err
	}
	if made.transform, err = maker(spec.Config); err != nil || spec.Condition == nil {
		return made, err
	}
	predicate, err := find[predicateMaker](spec.Condition.Class)
	if err != nil {
		return link{}, err
	}
	made.negate = spec.Condition.Negate
	made.predicate, err = predicate(spec.Condition.Config)
	return made, err
}

// Run runs the chain over the active rows.
func (c *Chain) Run(records *Records) (err error) {
	defer catch(&err, KindFatal)
	given := records.only
	for number, link := range c.links {
		var active batch.Bits
		if given != nil {
			// The bitmap is over the rows that came in; rows may have become several since.
			active = batch.NewBits(records.Rows(), false)
			for row := range records.Rows() {
				active.Set(row, given.Get(records.inputOf(row)))
			}
		}
		if link.predicate != nil {
			if active, err = link.limit(records, number, active); err != nil {
				return err
			}
		}
		if err := records.limited(active, number, func() error { return link.transform.Apply(records) }); err != nil {
			return err
		}
	}
	return nil
}

// limit takes out of active where the link is not to be applied.
func (l *link) limit(records *Records, number int, active batch.Bits) (batch.Bits, error) {
	verdict := NewVerdict(records.Rows())
	if err := l.predicate.Test(records.table, verdict); err != nil {
		return nil, err
	}
	err := records.limited(nil, number, func() error {
		for _, failed := range verdict.errors {
			// Rows that are not meant here cannot fail here either.
			if active.Get(failed.Row) {
				records.Fail(failed.Row, failed.Err)
			}
		}
		return nil
	})
	if active == nil {
		active = batch.NewBits(records.Rows(), true)
	}
	for row := range records.Rows() {
		if verdict.Holds(row) == l.negate {
			active.Set(row, false)
		}
	}
	return active, err
}

// Apply as the contract has it.
func (c *Chain) Apply(bytes, only []byte, limited bool) (outcome contract.Outcome, failed *contract.Error) {
	table, err := batch.Open(bytes)
	if err != nil {
		return outcome, lower(Fatal("read the batch: %w", err))
	}
	records := &Records{table: table}
	if limited {
		records.only = only
	}
	if err := c.Run(records); err != nil {
		return outcome, lower(err)
	}
	outcome, err = records.outcome()
	return outcome, lower(err)
}
