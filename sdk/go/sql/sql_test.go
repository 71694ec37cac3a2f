package sql_test

import (
	"testing"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/data"
	"millstream.dev/sdk/sdktest"
	"millstream.dev/sdk/sql"
)

func TestADatabaseIsAskedAndAnswers(t *testing.T) {
	host := sdktest.New(t)
	fake := host.Database("connection.url")
	fake.Clock = "1714566896.000000001"
	fake.OnQuery = func(_ string, given []sdktest.Parameter) ([]*sdk.Record, error) {
		if given[0].Kind != "int64" || *given[0].Value != "7" || given[1].Value != nil || *given[2].Value != "-5.250000000" {
			t.Errorf("%+v", given)
		}
		return []*sdk.Record{sdk.NewRecord("", data.NewMap("n", int64(1))), sdk.NewRecord("", data.NewMap("n", int64(2)))}, nil
	}
	database, err := sql.Open("connection.url", sql.Options{"read.only": true})
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	if now, err := database.Now(); err != nil || !now.Equal(time.Unix(1714566896, 1)) {
		t.Error(now, err)
	}
	at := time.UnixMilli(-4750)
	rows, err := database.Query("SELECT n FROM t WHERE a = ?", nil, 7, nil, sql.Instant(at))
	if err != nil {
		t.Fatal(err)
	}
	records, err := rows.Records()
	if err != nil || len(records) != 2 || data.Text(records[1].Value) != "{n=2}" {
		t.Error(records, err)
	}
	if _, err := sql.Open("other", nil); err == nil {
		t.Error("a key that opens nothing is opened")
	}
}

func TestAStatementSaysWhichRowsWereRefused(t *testing.T) {
	host := sdktest.New(t)
	host.Database("db").OnRun = func(_ string, records []*sdk.Record) ([]sdk.RowError, error) {
		return []sdk.RowError{{Row: 1, Err: sdk.BadData("too long")}}, nil
	}
	database, err := sql.Open("db", nil)
	if err != nil {
		t.Fatal(err)
	}
	statement, err := database.Prepare("INSERT INTO t VALUES (?)", sql.Binding{From: []string{"value", "n"}})
	if err != nil {
		t.Fatal(err)
	}
	table := batch.NewTable(2)
	done, err := statement.Run(table, nil)
	if err != nil || done.Changed != 1 || len(done.Errors) != 1 || done.Errors[0].Err.Error() != "too long" {
		t.Error(done, err)
	}
}

func TestNamesCannotBeAnythingElse(t *testing.T) {
	if name := sql.Quoted(`order"s; DROP TABLE x`, `"`); name != `"order""s; DROP TABLE x"` {
		t.Error(name)
	}
}
