package sdktest_test

import (
	"errors"
	"io"
	"testing"

	"millstream.dev/sdk"
	"millstream.dev/sdk/sdktest"
)

func TestALeaseThatIsTakenIsLost(t *testing.T) {
	host := sdktest.New(t)
	lease, err := sdk.ObtainLease()
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Write(map[string][]byte{"snapshot": []byte("1 to 7")}); err != nil {
		t.Fatal(err)
	}
	host.TakeLease()
	if err := lease.Write(map[string][]byte{"snapshot": []byte("1 to 8")}); !sdk.IsLeaseLost(err) {
		t.Error(err)
	}
	if kept := string(host.Kept("snapshot")); kept != "1 to 7" {
		t.Error(kept)
	}
}

func TestFilesFailAsATestAsks(t *testing.T) {
	host := sdktest.New(t)
	if file, err := sdk.OpenFile("missing"); file != nil || err != nil {
		t.Error(file, err)
	}
	put := host.File("file", "one\n")
	file, err := sdk.OpenFile("file")
	if err != nil {
		t.Fatal(err)
	}
	if content, err := io.ReadAll(file); string(content) != "one\n" || err != nil {
		t.Error(content, err)
	}
	put.Append("two\n")
	if content, err := io.ReadAll(file); string(content) != "two\n" || err != nil {
		t.Error(content, err)
	}
	if at, err := file.Seek(-4, io.SeekEnd); at != 4 || err != nil {
		t.Error(at, err)
	}
	put.FillAfter(2)
	if _, err := file.Write([]byte("three")); err == nil || put.Content() != "one\ntwo\nth" || put.Synced() != "one\n" {
		t.Error(err, put.Content())
	}
	put.FailSync(errors.New("gone"))
	if err := file.Sync(); err == nil || err.Error() != "gone" {
		t.Error(err)
	}
}

func TestMetricsAndProgressAreSeen(t *testing.T) {
	host := sdktest.New(t)
	for range 2 {
		if err := sdk.Count("rows", 2); err != nil {
			t.Fatal(err)
		}
	}
	if err := sdk.ReportProgress("orders", &sdk.Progress{Done: 3, Total: 10, Unit: "rows"}); err != nil {
		t.Fatal(err)
	}
	if host.Metric("rows") != 4 || host.Progress()["orders"].Total != 10 {
		t.Error(host.Metric("rows"), host.Progress())
	}
	if err := sdk.ReportProgress("orders", nil); err != nil || len(host.Progress()) != 0 {
		t.Error(err, host.Progress())
	}
	if err := sdk.Count("rows", -1); err == nil {
		t.Error("a counter goes back")
	}
}
