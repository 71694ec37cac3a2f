package sdk

import (
	"io"

	"millstream.dev/sdk/internal/contract"
)

// File is a file, or a standard stream of the worker, that the value of a configuration key names. The key's declaration
// says what it opens; the worker says which files may be opened at all.
//
// It is an io.Reader, io.Writer, io.Seeker and io.Closer.
type File struct {
	file     contract.File
	position int64
}

// OpenFile opens what the configuration value of a key names. It is nil without an error if a file to be read does not
// exist.
func OpenFile(key string) (*File, error) {
	opened, failed := host().OpenFile(key)
	if failed != nil || opened == nil {
		return nil, raised(failed)
	}
	return &File{file: opened}, nil
}

// ReadUpTo reads up to so many bytes from the current position; none at the end of what is there now. A standard stream
// gives what is there without waiting.
func (f *File) ReadUpTo(most int) ([]byte, error) {
	bytes, failed := f.file.Read(uint32(min(max(most, 0), 1<<30)))
	f.position += int64(len(bytes))
	return bytes, raised(failed)
}

// Read is io.Reader's: io.EOF at the end of what is there now, after which there may be more.
func (f *File) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	bytes, err := f.ReadUpTo(len(into))
	if err == nil && len(bytes) == 0 {
		err = io.EOF
	}
	return copy(into, bytes), err
}

// Size is the size in bytes at this moment; ok is false for a stream.
func (f *File) Size() (size int64, ok bool, err error) {
	size, failed := f.file.Size()
	return max(size, 0), size >= 0, raised(failed)
}

// Seek sets the position of the next read; it fails for a stream.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.position
	case io.SeekEnd:
		size, ok, err := f.Size()
		if err != nil {
			return f.position, err
		}
		if !ok {
			return f.position, Fatal("seek in a standard stream")
		}
		offset += size
	}
	if offset < 0 {
		return f.position, Fatal("seek to %d, which is before the file begins", offset)
	}
	if failed := f.file.Seek(uint64(offset)); failed != nil {
		return f.position, raised(failed)
	}
	f.position = offset
	return offset, nil
}

// Write appends all of the bytes, or fails having appended a part of them. What was appended is safe after Sync only.
func (f *File) Write(bytes []byte) (int, error) {
	if failed := f.file.Write(bytes); failed != nil {
		return 0, raised(failed)
	}
	return len(bytes), nil
}

// Truncate cuts the file down to a length in bytes.
func (f *File) Truncate(length int64) error { return raised(f.file.Truncate(uint64(max(length, 0)))) }

// Sync returns when everything written is on disk.
func (f *File) Sync() error { return raised(f.file.Sync()) }

// EndsRest has the rest of the task ([Rest]) end as soon as there are bytes behind the current position. It is false if the
// host cannot tell, as of a stream or a device: rest for a short time then.
func (f *File) EndsRest() bool { return f.file.EndsRest() }

// Close closes the file. One that nobody refers to any more is closed by itself, some time.
func (f *File) Close() error {
	f.file.Close()
	return nil
}
