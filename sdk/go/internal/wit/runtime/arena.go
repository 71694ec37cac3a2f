//go:build wasip1

package runtime

import (
	"runtime"
	"unsafe"
)

// The arena is where the host puts arguments of exports and results of imports. It grows with the largest of them, and
// is empty again as soon as they are copied. Nothing in here may take memory from Go's heap: see the README.

//go:linkname sbrk runtime.sbrk
func sbrk(n uintptr) unsafe.Pointer

type chunk struct{ at, size, used, kept uintptr }

const (
	leastChunk = 64 << 10
	pageSize   = 64 << 10
)

var (
	// With each chunk at least as large as all before together, that many are never needed.
	chunks [32]chunk
	count  int
	total  uintptr
	// Calls of imports that are under way, whose results may stand in the arena.
	under int
)

// cabiRealloc runs before Go's own initialisation, too.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	made := take(align, size)
	if old != nil && oldSize > 0 {
		copy(unsafe.Slice((*byte)(made), size), unsafe.Slice((*byte)(old), min(oldSize, size)))
	}
	return made
}

func take(align, size uintptr) unsafe.Pointer {
	for i := range count {
		c := &chunks[i]
		at := (c.at + c.used + align - 1) &^ (align - 1)
		if at+size <= c.at+c.size {
			c.used = at + size - c.at
			return unsafe.Pointer(at)
		}
	}
	if count == len(chunks) {
		panic("the arena is full")
	}
	wanted := (max(size+align, leastChunk, total) + pageSize - 1) &^ (pageSize - 1)
	at := uintptr(sbrk(wanted))
	if at == 0 {
		panic("no memory is left for what the host hands over")
	}
	chunks[count] = chunk{at: at, size: wanted}
	count++
	total += wanted
	return take(align, size)
}

// What is taken before the plugin begins is the stack and the state of the adapter for WASI's preview 1, which asks for them
// when Go's runtime first asks it for something: they stay.
func init() {
	for i := range count {
		chunks[i].kept = chunks[i].used
	}
}

func empty() {
	if under == 0 {
		for i := range count {
			chunks[i].used = chunks[i].kept
		}
	}
}

// Unpin says that the arguments of an export are copied.
func Unpin() { empty() }

// Enter says that an import is called, whose results will stand in the arena until Leave.
func Enter() *runtime.Pinner {
	under++
	return &runtime.Pinner{}
}

// Leave says that the results of an import are copied.
func Leave(pinner *runtime.Pinner) {
	pinner.Unpin()
	under--
	empty()
}

// CopyString is a text of Go's own.
func CopyString(at *uint8, size uint32) string { return string(unsafe.Slice(at, size)) }

// CopyBytes is a slice of Go's own.
func CopyBytes(at *uint8, size uint32) []uint8 {
	if size == 0 {
		return nil
	}
	return append(make([]uint8, 0, size), unsafe.Slice(at, size)...)
}
