package sdk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What this folder has copies of, so that it is all that a build needs, is what it is in the checkout.
func TestCopiesAreWhatTheyAreCopiesOf(t *testing.T) {
	copies := map[string]string{"wit/deps/millstream-connect.wit": "../../wit/millstream-connect@0.1.0/connect.wit"}
	golden, err := filepath.Glob("batch/testdata/*.batch")
	if err != nil || len(golden) == 0 {
		t.Fatal("there are no golden files", err)
	}
	for _, file := range golden {
		copies[file] = "../../host/record/tests/golden/" + filepath.Base(file)
	}
	for file, original := range copies {
		expected, err := os.ReadFile(original)
		if os.IsNotExist(err) {
			t.Skipf("%s is not there: this is not the checkout of Millstream", original)
		}
		content, err2 := os.ReadFile(file)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if filepath.Ext(file) == ".wit" {
			// What is said beside the contract may differ.
			content, expected = uncommented(content), uncommented(expected)
		}
		if !bytes.Equal(content, expected) {
			t.Errorf("%s is not what %s is: run bindings.sh, or copy it", file, original)
		}
	}
	others, err := filepath.Glob("../../host/record/tests/golden/*.batch")
	if err != nil || len(others) != len(golden) {
		t.Errorf("the host has %d golden files, there are %d copies", len(others), len(golden))
	}
}

// uncommented is WIT without comments, empty lines and indentation.
func uncommented(text []byte) []byte {
	var lines [][]byte
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			lines = append(lines, line)
		}
	}
	return bytes.Join(lines, []byte{'\n'})
}
