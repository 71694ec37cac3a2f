package sdktest

import (
	"millstream.dev/sdk"
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/internal/contract"
)

// Database is a database that a test puts in place of the one that a configuration key names. It knows no SQL: its
// functions answer, and Calls says what it was asked.
type Database struct {
	// Calls are the texts that it was given, in order: statements, and begin, commit, rollback.
	Calls []string
	// Clock is what it says the time is.
	Clock string
	// About, Tables and Table answer with JSON; Table is nil for a table that is not there.
	AboutJSON, TablesJSON string
	TableJSON             func(name string) *string
	// OnQuery answers a query with rows, as records.
	OnQuery func(sql string, parameters []Parameter) ([]*sdk.Record, error)
	// OnExecute answers a statement with the number of rows that it changed.
	OnExecute func(sql string, parameters []Parameter) (uint64, error)
	// OnRun answers a prepared statement with rows that it refused.
	OnRun func(sql string, records []*sdk.Record) ([]sdk.RowError, error)
	// Notices are notifications that have come.
	Notices []string
}

// Parameter is what was given for one ? of a statement.
type Parameter struct {
	Kind string
	// Value is nil for NULL.
	Value *string
}

// Database puts a database in place that the configuration value of a key is taken to name.
func (h *Host) Database(key string) *Database {
	database := &Database{Clock: "0.000000000", AboutJSON: `{"product":"sqlite"}`, TablesJSON: "[]"}
	h.databases[key] = database
	return database
}

type openDatabase struct{ d *Database }

func parameters(list []contract.Parameter) []Parameter {
	var made []Parameter
	for _, one := range list {
		made = append(made, Parameter(one))
	}
	return made
}

func failure(err error) *contract.Error {
	if err == nil {
		return nil
	}
	return lower(err)
}

func (o openDatabase) called(what string) { o.d.Calls = append(o.d.Calls, what) }

func (o openDatabase) About() (string, *contract.Error)           { return o.d.AboutJSON, nil }
func (o openDatabase) Now() (string, *contract.Error)             { return o.d.Clock, nil }
func (o openDatabase) Tables(string) (string, *contract.Error)    { return o.d.TablesJSON, nil }
func (o openDatabase) Check(sql string) (string, *contract.Error) { o.called(sql); return "[]", nil }
func (o openDatabase) Begin() *contract.Error                     { o.called("begin"); return nil }
func (o openDatabase) Commit() *contract.Error                    { o.called("commit"); return nil }
func (o openDatabase) Rollback() *contract.Error                  { o.called("rollback"); return nil }
func (o openDatabase) Listen(channel string) *contract.Error {
	o.called("listen " + channel)
	return nil
}
func (o openDatabase) Notifications() ([]string, *contract.Error) { return take(&o.d.Notices), nil }
func (o openDatabase) EndsRest() bool                             { return true }
func (o openDatabase) Close()                                     {}
func (o openDatabase) Table(name string) (*string, *contract.Error) {
	if o.d.TableJSON == nil {
		return nil, nil
	}
	return o.d.TableJSON(name), nil
}

func (o openDatabase) Query(sql string, list []contract.Parameter, _ string) (contract.Rows, *contract.Error) {
	o.called(sql)
	if o.d.OnQuery == nil {
		return &rows{}, nil
	}
	records, err := o.d.OnQuery(sql, parameters(list))
	return &rows{records}, failure(err)
}

func (o openDatabase) Execute(sql string, list []contract.Parameter) (uint64, *contract.Error) {
	o.called(sql)
	if o.d.OnExecute == nil {
		return 0, nil
	}
	changed, err := o.d.OnExecute(sql, parameters(list))
	return changed, failure(err)
}

func (o openDatabase) Prepare(sql, _ string) (contract.Statement, *contract.Error) {
	return statement{o, sql}, nil
}

type rows struct{ left []*sdk.Record }

func (r *rows) Next(maxRows, _ uint32) ([]byte, *contract.Error) {
	if len(r.left) == 0 {
		return nil, nil
	}
	now := r.left[:min(len(r.left), int(max(maxRows, 1)))]
	r.left = r.left[len(now):]
	bytes, err := bytesOf(now)
	return bytes, failure(err)
}

func (r *rows) Close() {}

type statement struct {
	openDatabase
	sql string
}

func (s statement) Run(records, _ []byte) (uint64, []contract.RowError, *contract.Error) {
	s.called(s.sql)
	var given []*sdk.Record
	if records != nil {
		table, err := batch.Open(records)
		if err != nil {
			return 0, nil, failure(err)
		}
		for _, record := range sdk.NewRecords(table).All() {
			given = append(given, record)
		}
	}
	if s.d.OnRun == nil {
		return uint64(len(given)), nil, nil
	}
	refused, err := s.d.OnRun(s.sql, given)
	var list []contract.RowError
	for _, row := range refused {
		failed := lower(row.Err)
		list = append(list, contract.RowError{Row: uint32(row.Row), Kind: failed.Kind, Class: failed.Class, Message: failed.Message})
	}
	return uint64(len(given) - len(list)), list, failure(err)
}
