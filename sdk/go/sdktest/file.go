package sdktest

import (
	"millstream.dev/sdk"
	"millstream.dev/sdk/internal/contract"
)

// File is a file that a test puts in place of the one that a configuration key names.
type File struct {
	bytes, synced                []byte
	isStream                     bool
	room                         int // -1: no limit
	failOpen, failRead, failSync error
}

// File puts a file in place that the configuration value of a key is taken to name. A key without one names a file that
// does not exist.
func (h *Host) File(key, content string) *File {
	file := &File{bytes: []byte(content), synced: []byte(content), room: -1}
	h.files[key] = file
	return file
}

// Append appends text, as another program would.
func (f *File) Append(text string) { f.bytes = append(f.bytes, text...) }

// Content is what is in the file now.
func (f *File) Content() string { return string(f.bytes) }

// Synced is what would be left after a power failure.
func (f *File) Synced() string { return string(f.synced) }

// MakeStream makes it behave like a standard stream: no size, no position.
func (f *File) MakeStream() { f.isStream = true }

// FillAfter takes that many bytes more; the write that goes beyond them is cut off and fails. -1 ends that.
func (f *File) FillAfter(bytes int) { f.room = bytes }

// FailOpen has every attempt to open it fail; nil ends that, as below.
func (f *File) FailOpen(err error) { f.failOpen = err }

// FailRead has every read fail.
func (f *File) FailRead(err error) { f.failRead = err }

// FailSync has every sync fail.
func (f *File) FailSync(err error) { f.failSync = err }

type openFile struct {
	file     *File
	position int
}

func (o *openFile) Read(max uint32) ([]byte, *contract.Error) {
	if o.file.failRead != nil {
		return nil, lower(o.file.failRead)
	}
	rest := o.file.bytes[min(o.position, len(o.file.bytes)):]
	read := append([]byte(nil), rest[:min(len(rest), int(max))]...)
	o.position += len(read)
	return read, nil
}

func (o *openFile) Size() (int64, *contract.Error) {
	if o.file.isStream {
		return -1, nil
	}
	return int64(len(o.file.bytes)), nil
}

func (o *openFile) check() *contract.Error {
	if o.file.isStream {
		return lower(sdk.Fatal("a standard stream has no position"))
	}
	return nil
}

func (o *openFile) Seek(position uint64) *contract.Error {
	if failed := o.check(); failed != nil {
		return failed
	}
	o.position = int(position)
	return nil
}

func (o *openFile) Write(bytes []byte) *contract.Error {
	taken := len(bytes)
	if o.file.room >= 0 {
		taken = min(taken, o.file.room)
		o.file.room -= taken
	}
	o.file.bytes = append(o.file.bytes, bytes[:taken]...)
	if taken < len(bytes) {
		return lower(sdk.Fatal("No space left on device"))
	}
	return nil
}

func (o *openFile) Truncate(length uint64) *contract.Error {
	if failed := o.check(); failed != nil {
		return failed
	}
	if length < uint64(len(o.file.bytes)) {
		o.file.bytes = o.file.bytes[:length]
	}
	return nil
}

func (o *openFile) Sync() *contract.Error {
	if o.file.failSync != nil {
		return lower(o.file.failSync)
	}
	o.file.synced = append([]byte(nil), o.file.bytes...)
	return nil
}

func (o *openFile) EndsRest() bool { return !o.file.isStream }
func (o *openFile) Close()         {}
