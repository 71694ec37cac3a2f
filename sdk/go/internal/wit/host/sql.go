//go:build wasip1

package host

import (
	"millstream.dev/sdk/internal/contract"
	"millstream.dev/sdk/internal/wit/lift"
	sql "millstream.dev/sdk/internal/wit/millstream_connect_host_sql"
)

func (host) OpenDatabase(key, options string) (contract.Database, *contract.Error) {
	opened, failed := lift.Get(sql.DatabaseOpen(key, options))
	if failed != nil {
		return nil, failed
	}
	return database{opened}, nil
}

type database struct{ db *sql.Database }

func parameters(list []contract.Parameter) []sql.Parameter {
	made := make([]sql.Parameter, len(list))
	for i, parameter := range list {
		made[i] = sql.Parameter{Kind: parameter.Kind, Value: lift.Option(parameter.Value)}
	}
	return made
}

func (d database) About() (string, *contract.Error) { return lift.Get(d.db.About()) }
func (d database) Now() (string, *contract.Error)   { return lift.Get(d.db.Now()) }
func (d database) Tables(filter string) (string, *contract.Error) {
	return lift.Get(d.db.Tables(filter))
}
func (d database) Table(name string) (*string, *contract.Error) {
	found, failed := lift.Get(d.db.Table(name))
	return lift.Text(found), failed
}
func (d database) Check(text string) (string, *contract.Error) { return lift.Get(d.db.Check(text)) }
func (d database) Query(text string, list []contract.Parameter, options string) (contract.Rows, *contract.Error) {
	found, failed := lift.Get(d.db.Query(text, parameters(list), options))
	if failed != nil {
		return nil, failed
	}
	return rows{found}, nil
}
func (d database) Execute(text string, list []contract.Parameter) (uint64, *contract.Error) {
	changed, failed := lift.Get(d.db.Execute(text, parameters(list)))
	return lift.Join(changed), failed
}
func (d database) Prepare(text, bindings string) (contract.Statement, *contract.Error) {
	made, failed := lift.Get(d.db.Prepare(text, bindings))
	if failed != nil {
		return nil, failed
	}
	return statement{made}, nil
}
func (d database) Begin() *contract.Error                { return lift.Failed(d.db.Begin()) }
func (d database) Commit() *contract.Error               { return lift.Failed(d.db.Commit()) }
func (d database) Rollback() *contract.Error             { return lift.Failed(d.db.Rollback()) }
func (d database) Listen(channel string) *contract.Error { return lift.Failed(d.db.Listen(channel)) }
func (d database) Notifications() ([]string, *contract.Error) {
	return lift.Get(d.db.Notifications())
}
func (d database) EndsRest() bool { return d.db.EndsRest() }
func (d database) Close()         { d.db.Drop() }

type rows struct{ rows *sql.Rows }

func (r rows) Next(maxRows, maxBytes uint32) ([]byte, *contract.Error) {
	found, failed := lift.Get(r.rows.Next(maxRows, maxBytes))
	return lift.Bytes(found), failed
}
func (r rows) Close() { r.rows.Drop() }

type statement struct{ statement *sql.Statement }

func (s statement) Run(records, only []byte) (uint64, []contract.RowError, *contract.Error) {
	done, failed := lift.Get(s.statement.Run(lift.OptionBytes(records), lift.OptionBytes(only)))
	return lift.Join(done.Changed), lift.RowErrors(done.Errors), failed
}
func (s statement) Close() { s.statement.Drop() }
