// Package sql reaches databases that configuration keys name: PostgreSQL, MySQL and MariaDB, SQLite.
//
// The key's declaration says so (config.SQL). User, password and TLS are the host's business. Rows come as batches whose
// values are structs; statements run over the rows of batches, or once.
package sql

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/internal/contract"
)

// Options of a session or query, as the contract lists their names: isolation, db.timezone, statement.timeout.ms, …
type Options map[string]any

func (o Options) text() (string, error) { return jsonText(o, "{}") }

func jsonText(value any, ifNil string) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", sdk.Fatal("write options as JSON: %w", err)
	}
	if string(text) == "null" {
		return ifNil, nil
	}
	return string(text), nil
}

// Database is a session at a database. Closing it ends the session; what was not committed is undone.
type Database struct{ database contract.Database }

// Open opens a session of its own at the database that the configuration value of a key names. The error is retriable where
// trying again may help, as all below.
func Open(key string, options Options) (*Database, error) {
	text, err := options.text()
	if err != nil {
		return nil, err
	}
	if contract.Host == nil {
		panic("there is no host: in a test, make one with sdktest.New")
	}
	opened, failed := contract.Host.OpenDatabase(key, text)
	if failed != nil {
		return nil, raised(failed)
	}
	return &Database{opened}, nil
}

// About is what there is at the other end.
type About struct {
	// Product is postgresql, mysql, mariadb or sqlite.
	Product, Version, Catalog, Schema, Quote, Separator, Dialect string
	IdentifierMax                                                int `json:"identifier.max"`
}

// About says what there is at the other end.
func (d *Database) About() (about About, err error) {
	text, failed := d.database.About()
	if failed != nil {
		return about, raised(failed)
	}
	err = json.Unmarshal([]byte(text), &about)
	return about, err
}

// Now is the database's clock.
func (d *Database) Now() (time.Time, error) {
	text, failed := d.database.Now()
	if failed != nil {
		return time.Time{}, raised(failed)
	}
	return parseInstant(text)
}

// Tables are those that match a filter, as a JSON list of {catalog, schema, name, type}.
func (d *Database) Tables(filter Options) (string, error) {
	text, err := filter.text()
	if err != nil {
		return "", err
	}
	found, failed := d.database.Tables(text)
	return found, raised(failed)
}

// Table is a table's columns, keys and kind as JSON, empty if there is no such table. The name has one to three parts.
func (d *Database) Table(name ...string) (string, error) {
	text, err := jsonText(name, "[]")
	if err != nil {
		return "", err
	}
	found, failed := d.database.Table(text)
	if failed != nil || found == nil {
		return "", raised(failed)
	}
	return *found, nil
}

// Check prepares a query without running it: its columns as JSON.
func (d *Database) Check(sql string) (string, error) {
	found, failed := d.database.Check(sql)
	return found, raised(failed)
}

// Query runs a query with a value for each ? in it.
func (d *Database) Query(sql string, options Options, values ...any) (*Rows, error) {
	parameters, err := parametersOf(values)
	if err != nil {
		return nil, err
	}
	text, err := options.text()
	if err != nil {
		return nil, err
	}
	rows, failed := d.database.Query(sql, parameters, text)
	if failed != nil {
		return nil, raised(failed)
	}
	return &Rows{rows}, nil
}

// Execute runs a statement once, with a value for each ? in it, and returns how many rows it changed.
func (d *Database) Execute(sql string, values ...any) (uint64, error) {
	parameters, err := parametersOf(values)
	if err != nil {
		return 0, err
	}
	changed, failed := d.database.Execute(sql, parameters)
	return changed, raised(failed)
}

// Binding says where the value of a ? comes from in each row.
type Binding struct {
	// From is the path of a value: ["topic"], ["partition"], ["offset"], ["timestamp"], ["key", …], ["value", …], ["header", name].
	From []string `json:"from"`
	// Type of the column.
	Type string `json:"type,omitempty"`
	// Options as the contract lists them.
	Options Options `json:"options,omitempty"`
}

// Prepare makes a statement that runs over the rows of batches.
func (d *Database) Prepare(sql string, bindings ...Binding) (*Statement, error) {
	text, err := jsonText(bindings, "[]")
	if err != nil {
		return nil, err
	}
	made, failed := d.database.Prepare(sql, text)
	if failed != nil {
		return nil, raised(failed)
	}
	return &Statement{made}, nil
}

// Begin begins a transaction.
func (d *Database) Begin() error { return raised(d.database.Begin()) }

// Commit makes what was done since Begin durable. After an error nothing of it was kept; when the session is lost just now,
// it is not known which.
func (d *Database) Commit() error { return raised(d.database.Commit()) }

// Rollback undoes what was done since Begin.
func (d *Database) Rollback() error { return raised(d.database.Rollback()) }

// Listen listens to a channel of PostgreSQL.
func (d *Database) Listen(channel string) error { return raised(d.database.Listen(channel)) }

// Notifications are payloads of notifications that came since the last call. It does not wait.
func (d *Database) Notifications() ([]string, error) {
	found, failed := d.database.Notifications()
	return found, raised(failed)
}

// EndsRest has the rest of the task (sdk.Rest) end as soon as there is a notification. It is false if nothing is listened to.
func (d *Database) EndsRest() bool { return d.database.EndsRest() }

// Close ends the session.
func (d *Database) Close() error {
	d.database.Close()
	return nil
}

// Rows are the rows of a query. Until they have ended or are closed nothing else can be done with the database.
type Rows struct{ rows contract.Rows }

// Next is the next rows as a table whose values are structs; nil at the end. At least one row, however large it is.
func (r *Rows) Next(maxRows, maxBytes int) (*batch.Table, error) {
	bytes, failed := r.rows.Next(uint32(maxRows), uint32(maxBytes))
	if failed != nil || bytes == nil {
		return nil, raised(failed)
	}
	table, err := batch.Open(bytes)
	if err != nil {
		return nil, sdk.Fatal("read rows of a query: %w", err)
	}
	return table, nil
}

// Records are all rows, as records; for queries of few rows.
func (r *Rows) Records() ([]*sdk.Record, error) {
	defer r.Close()
	var records []*sdk.Record
	for {
		table, err := r.Next(1000, 1<<20)
		if err != nil || table == nil {
			return records, err
		}
		for _, record := range sdk.NewRecords(table).All() {
			records = append(records, record)
		}
	}
}

// Close gives up the rows that were not read.
func (r *Rows) Close() error {
	r.rows.Close()
	return nil
}

// Statement runs over the rows of batches.
type Statement struct{ statement contract.Statement }

// Done is what a statement made of the rows of a batch.
type Done struct {
	// Changed is how many rows the database says it changed.
	Changed uint64
	// Errors are rows that it refused for what is in them. All others are written.
	Errors []sdk.RowError
}

// RunPut runs it for the selected rows of the running Put; only, if it is not nil, limits it to some of them. The error is
// of what concerns the whole: then none of the rows is written, unless a transaction that was begun before is committed all
// the same.
func (s *Statement) RunPut(only batch.Bits) (Done, error) { return s.run(nil, only) }

// Run runs it for the selected rows of a table.
func (s *Statement) Run(table *batch.Table, only batch.Bits) (Done, error) {
	bytes, err := table.Bytes()
	if err != nil {
		return Done{}, sdk.Fatal("write a batch for a statement: %w", err)
	}
	return s.run(bytes, only)
}

func (s *Statement) run(records []byte, only batch.Bits) (Done, error) {
	changed, errors, failed := s.statement.Run(records, only)
	done := Done{Changed: changed}
	for _, row := range errors {
		err := &sdk.Error{Kind: sdk.Kind(row.Kind), Class: row.Class, Message: row.Message}
		if row.Field != nil {
			err.Field = *row.Field
		}
		done.Errors = append(done.Errors, sdk.RowError{Row: int(row.Row), Err: err})
	}
	return done, raised(failed)
}

// Close frees the statement.
func (s *Statement) Close() error {
	s.statement.Close()
	return nil
}

// Value is a value for a ? whose kind is said, as the contract lists them: int64, string, timestamp, instant, …. A nil Text
// is NULL.
type Value struct {
	Kind string
	Text *string
}

// Instant is a time.Time as an instant, which db.timezone never moves; a plain time.Time is a timestamp.
func Instant(at time.Time) Value {
	text := instantText(at)
	return Value{"instant", &text}
}

func parametersOf(values []any) ([]contract.Parameter, error) {
	made := make([]contract.Parameter, len(values))
	for i, value := range values {
		kind, text := "", ""
		switch value := value.(type) {
		case nil:
			made[i] = contract.Parameter{Kind: "string"}
			continue
		case Value:
			made[i] = contract.Parameter{Kind: value.Kind, Value: value.Text}
			continue
		case bool:
			kind, text = "boolean", strconv.FormatBool(value)
		case int, int8, int16, int32, int64, uint8, uint16, uint32:
			kind, text = "int64", fmt.Sprint(value)
		case float32, float64:
			kind, text = "float64", fmt.Sprint(value)
		case string:
			kind, text = "string", value
		case []byte:
			kind, text = "bytes", fmt.Sprintf("%x", value)
		case time.Time:
			kind, text = "timestamp", instantText(value)
		case fmt.Stringer:
			kind, text = "decimal", value.String()
		default:
			return nil, sdk.Fatal("a %T cannot be the value of a ?", value)
		}
		made[i] = contract.Parameter{Kind: kind, Value: &text}
	}
	return made, nil
}

func instantText(at time.Time) string { return fmt.Sprintf("%d.%09d", at.Unix(), at.Nanosecond()) }

func parseInstant(text string) (time.Time, error) {
	seconds, nanos, ok := strings.Cut(text, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	n, err2 := strconv.ParseUint(nanos, 10, 32)
	if !ok || err != nil || err2 != nil || len(nanos) != 9 {
		return time.Time{}, sdk.Fatal("read the database's clock: %q is not seconds, a dot and nine digits", text)
	}
	return time.Unix(s, int64(n)).UTC(), nil
}

// Quoted is a name as it stands in a statement: between quotes (About says which), those within it doubled, so that no name
// can be anything else than a name.
func Quoted(name, quote string) string {
	return quote + strings.ReplaceAll(name, quote, quote+quote) + quote
}

func raised(failed *contract.Error) error {
	if failed == nil {
		return nil
	}
	return &sdk.Error{Kind: sdk.Kind(failed.Kind), Class: failed.Class, Message: failed.Message, Causes: failed.Causes}
}
